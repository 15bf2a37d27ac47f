//! How much of what a stream brings is wanted.

use std::sync::atomic::{AtomicU64, Ordering};

/// So many changes that nobody wanted are worth a new match.
const MANY: u64 = 10_000;

/// Counts the changes of wanted and of other collections: filled by the stream, looked at by its reader.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    wanted: AtomicU64,
    unwanted: AtomicU64,
}

impl Traffic {
    pub(super) fn add(&self, wanted: u64, unwanted: u64) {
        self.wanted.fetch_add(wanted, Ordering::Relaxed);
        self.unwanted.fetch_add(unwanted, Ordering::Relaxed);
    }

    /// Whether most of what came was of no use, and it was much; if so, counts from the beginning.
    pub(super) fn take_mostly_unwanted(&self) -> bool {
        let unwanted = self.unwanted.load(Ordering::Relaxed);
        if unwanted < MANY {
            return false;
        }
        let wanted = self.wanted.swap(0, Ordering::Relaxed);
        self.unwanted.store(0, Ordering::Relaxed);
        unwanted > wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn much_that_is_not_wanted_is_told_once() {
        let traffic = Traffic::default();
        traffic.add(0, MANY - 1);
        assert!(!traffic.take_mostly_unwanted());
        traffic.add(MANY - 1, 1);
        assert!(traffic.take_mostly_unwanted());
        assert!(!traffic.take_mostly_unwanted());
    }

    #[test]
    fn a_smaller_part_of_what_comes_is_borne() {
        let traffic = Traffic::default();
        traffic.add(MANY, MANY);
        assert!(!traffic.take_mostly_unwanted());
        // What is long ago counts no more.
        traffic.add(0, MANY);
        assert!(traffic.take_mostly_unwanted());
    }
}
