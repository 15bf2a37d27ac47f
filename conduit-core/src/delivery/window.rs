//! What the last keys that were sent say of their destination.

use std::collections::VecDeque;

use crate::value::RecordKey;

/// How many distinct keys are looked at.
const KEYS: usize = 40;
/// So many of them failing means that the destination fails as a whole.
const FAILING: usize = 20;

/// The last outcome of each of the last distinct keys.
///
/// Keys, not calls: a few bad records that are tried again and again are a few keys. While no key fails, successes are not
/// remembered: they would only make room for themselves.
#[derive(Debug, Default)]
pub(crate) struct Window {
    keys: VecDeque<(SentKey, bool)>,
    failing: usize,
}

/// A key, and whose it is: the same document may go to several destinations.
pub(super) type SentKey = (u64, RecordKey);

impl Window {
    /// Notes a key's outcome.
    pub(crate) fn note(&mut self, key: SentKey, fails: bool) {
        if self.failing == 0 && !fails {
            return;
        }
        if let Some(at) = self.keys.iter().position(|(known, _)| *known == key) {
            self.forget(at);
        } else if self.keys.len() == KEYS {
            self.forget(0);
        }
        self.keys.push_back((key, fails));
        self.failing += usize::from(fails);
    }

    fn forget(&mut self, at: usize) {
        if let Some((_, fails)) = self.keys.remove(at) {
            self.failing -= usize::from(fails);
        }
    }

    /// Forgets the keys of one destination.
    pub(super) fn forget_all_of(&mut self, id: u64) {
        self.keys.retain(|((of, _), _)| *of != id);
        self.failing = self.keys.iter().filter(|(_, fails)| *fails).count();
    }

    /// Whether the destination fails as a whole.
    pub(crate) fn says_failing(&self) -> bool {
        self.failing >= FAILING
    }

    /// Whether it clearly does not: well below what says that it does, so that the two do not take turns.
    pub(crate) fn says_well(&self) -> bool {
        self.failing < FAILING / 2
    }

    /// How many of how many keys fail.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.failing, self.keys.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u128) -> SentKey {
        (0, RecordKey::from_u128(number))
    }

    #[test]
    fn nineteen_keys_that_fail_again_and_again_do_not_speak_of_the_destination_and_a_twentieth_does() {
        let mut window = Window::default();
        for number in (0..19).cycle().take(500) {
            window.note(key(number), true);
        }
        assert!(!window.says_failing());
        window.note(key(19), true);
        assert!(window.says_failing());
        window.note(key(3), false);
        assert!(!window.says_failing());
    }

    #[test]
    fn one_key_in_twenty_that_gets_through_does_not_hide_that_all_others_fail() {
        let mut window = Window::default();
        for number in 0..25 {
            window.note(key(number), number % 20 != 0);
        }
        assert!(window.says_failing());
    }

    #[test]
    fn failures_among_many_successes_are_forgotten() {
        let mut window = Window::default();
        for number in 0..1000 {
            window.note(key(number), number % 3 == 0);
        }
        assert!(!window.says_failing());
        assert_eq!(window.counts().1, KEYS);
    }
}
