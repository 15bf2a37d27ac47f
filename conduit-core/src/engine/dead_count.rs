//! How many dead letters a collection has, against how many it may have.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counted by all subscriptions of a collection together.
#[derive(Debug)]
pub(crate) struct DeadCount {
    count: AtomicU64,
    max: u64,
}

impl DeadCount {
    pub(crate) fn new(max: u64) -> Self {
        Self {
            count: AtomicU64::new(0),
            max,
        }
    }

    /// Takes over what the store counted.
    pub(crate) fn set(&self, count: u64) {
        self.count.store(count, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, count: u64) {
        self.count.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn remove(&self, count: u64) {
        let less = |known: u64| Some(known.saturating_sub(count));
        let _ = self
            .count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Whether nothing more may be given up, so that nothing more may be taken either.
    pub(crate) fn is_full(&self) -> bool {
        self.count.load(Ordering::Relaxed) >= self.max
    }
}
