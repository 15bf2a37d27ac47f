//! Which keys have waiting records, and which are poisoned.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::contract::{PoisonedKey, SinkErrorKind};
use crate::value::{ClusterTime, Record, RecordKey};

/// Whether a record may be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Nothing older of its key waits.
    Send,
    /// It has to wait behind an older record of its key.
    Behind,
}

/// What becomes of a record that failed on its lane.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It waits for a retry, and its key is parked from now on.
    Park,
    /// It is given up, and its key is poisoned from now on.
    Dead,
}

/// The keys of one subscription that are not simply sent on; shared by its lanes and its engine.
///
/// A key is *parked* while records of it wait: the count goes up, under the lock, the moment the lanes park or pass
/// over a record, and down when the engine settles one. So a key is free again only when nothing of it waits, and no
/// record can slip past an older one that is still on its way to the retry queue.
#[derive(Debug)]
pub(crate) struct KeyTable {
    max_retries: u32,
    keys: Mutex<Keys>,
}

#[derive(Debug, Default)]
struct Keys {
    waiting: HashMap<RecordKey, u32>,
    poisoned: HashMap<RecordKey, Letters>,
}

/// The dead letters of a key that are not stale.
#[derive(Debug, Clone, Copy)]
struct Letters {
    count: u64,
    newest: ClusterTime,
}

impl Keys {
    fn poison(&mut self, key: RecordKey, time: ClusterTime) {
        let fresh = Letters {
            count: 0,
            newest: time,
        };
        let letters = self.poisoned.entry(key).or_insert(fresh);
        letters.count += 1;
        letters.newest = letters.newest.max(time);
    }
}

impl KeyTable {
    pub(crate) fn new(
        max_retries: u32,
        waiting: impl IntoIterator<Item = RecordKey>,
        poisoned: impl IntoIterator<Item = PoisonedKey>,
    ) -> Self {
        let mut keys = Keys::default();
        for PoisonedKey { key, letters, newest } in poisoned {
            keys.poisoned.insert(
                key,
                Letters {
                    count: letters,
                    newest,
                },
            );
        }
        for key in waiting {
            *keys.waiting.entry(key).or_insert(0) += 1;
        }
        Self {
            max_retries,
            keys: Mutex::new(keys),
        }
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        // Every critical section leaves the table consistent, so a panic elsewhere does no harm.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks whether a record of `key` may be sent. `Behind` counts it among the waiting.
    pub(crate) fn admit(&self, key: RecordKey) -> Admission {
        match self.keys().waiting.get_mut(&key) {
            Some(waiting) => {
                *waiting += 1;
                Admission::Behind
            }
            None => Admission::Send,
        }
    }

    /// Decides about a record that failed on its lane, and parks or poisons its key at once. A failure that is no attempt
    /// of the record never ends it.
    pub(crate) fn failed(&self, record: &Record, kind: SinkErrorKind, is_attempt: bool) -> Verdict {
        let mut keys = self.keys();
        let key = record.key();
        let was_last = self.max_retries == 0 || keys.poisoned.contains_key(&key);
        if kind == SinkErrorKind::Undeliverable || (is_attempt && was_last) {
            keys.poison(key, record.time());
            return Verdict::Dead;
        }
        *keys.waiting.entry(key).or_insert(0) += 1;
        Verdict::Park
    }

    /// Notes that a record got through; tells whether its key had dead letters that may be stale now. One that is newer than
    /// all of them cures the key.
    pub(crate) fn delivered(&self, record: &Record) -> bool {
        let mut keys = self.keys();
        if keys.poisoned.is_empty() {
            return false;
        }
        let key = record.key();
        let Some(letters) = keys.poisoned.get(&key) else {
            return false;
        };
        if record.time() > letters.newest {
            keys.poisoned.remove(&key);
        }
        true
    }

    /// Notes that a waiting record was given up.
    pub(crate) fn poison(&self, record: &Record) {
        self.keys().poison(record.key(), record.time());
    }

    /// Notes that a dead letter of `key` waits again; one that was not stale does not poison its key any more.
    pub(crate) fn redriven(&self, key: RecordKey, was_stale: bool) {
        let mut keys = self.keys();
        *keys.waiting.entry(key).or_insert(0) += 1;
        if !was_stale && let Some(letters) = keys.poisoned.get_mut(&key) {
            letters.count = letters.count.saturating_sub(1);
            if letters.count == 0 {
                keys.poisoned.remove(&key);
            }
        }
    }

    /// Returns the poisoned keys, and how many dead letters poison each.
    pub(crate) fn poisoned(&self) -> Vec<(RecordKey, u64)> {
        let keys = self.keys();
        let counts = keys.poisoned.iter().map(|(key, letters)| (*key, letters.count));
        counts.collect()
    }

    /// Notes that so many dead letters are gone.
    pub(crate) fn forget_poisoned(&self, gone: &[(RecordKey, u64)]) {
        let mut keys = self.keys();
        for (key, count) in gone {
            if let Some(letters) = keys.poisoned.get_mut(key) {
                letters.count = letters.count.saturating_sub(*count);
                if letters.count == 0 {
                    keys.poisoned.remove(key);
                }
            }
        }
    }

    /// How many attempts a waiting record of `key` has in all.
    pub(crate) fn allowed_attempts(&self, key: RecordKey) -> u32 {
        if self.keys().poisoned.contains_key(&key) {
            1
        } else {
            self.max_retries.saturating_add(1)
        }
    }

    /// Notes that a waiting record of `key` left the retry queue.
    pub(crate) fn left(&self, key: RecordKey) {
        let mut keys = self.keys();
        if let Some(waiting) = keys.waiting.get_mut(&key) {
            *waiting -= 1;
            if *waiting == 0 {
                keys.waiting.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{CollectionName, EventId, RecordParts, RecordType, Sequence, WallTime};

    const KEY: RecordKey = RecordKey::from_u128(1);

    /// The change of `KEY` at this time.
    fn at(time: u32) -> Record {
        Record::new(RecordParts {
            event_id: EventId::new("e"),
            collection: CollectionName::new("c").unwrap(),
            record_type: RecordType::Modify,
            key: KEY,
            keys: b"{}",
            new_image: None,
            old_image: None,
            timestamp: WallTime::default(),
            time: ClusterTime::new(time, 0),
            sequence: Sequence::whole("82"),
        })
    }

    fn failed(table: &KeyTable, time: u32, kind: SinkErrorKind) -> Verdict {
        table.failed(&at(time), kind, true)
    }

    #[test]
    fn a_key_is_free_again_only_when_nothing_of_it_waits() {
        let table = KeyTable::new(5, [], []);
        assert_eq!(failed(&table, 1, SinkErrorKind::Unavailable), Verdict::Park);
        assert_eq!(table.admit(KEY), Admission::Behind);
        table.left(KEY);
        assert_eq!(table.admit(KEY), Admission::Behind);
        table.left(KEY);
        table.left(KEY);
        assert_eq!(table.admit(KEY), Admission::Send);
    }

    #[test]
    fn after_a_dead_letter_a_key_gets_one_attempt_each_until_one_gets_through() {
        let table = KeyTable::new(5, [], []);
        assert_eq!(failed(&table, 1, SinkErrorKind::Undeliverable), Verdict::Dead);
        assert_eq!(table.admit(KEY), Admission::Send);
        assert_eq!(failed(&table, 2, SinkErrorKind::Unavailable), Verdict::Dead);
        assert_eq!(table.allowed_attempts(KEY), 1);
        assert!(table.delivered(&at(3)));
        assert!(!table.delivered(&at(4)));
        assert_eq!(failed(&table, 5, SinkErrorKind::Unavailable), Verdict::Park);
        assert_eq!(table.allowed_attempts(KEY), 6);
    }

    #[test]
    fn a_failure_that_is_no_attempt_ends_no_record() {
        let table = KeyTable::new(0, [], []);
        let verdict = table.failed(&at(1), SinkErrorKind::Unavailable, false);
        assert_eq!(verdict, Verdict::Park);
        let verdict = table.failed(&at(1), SinkErrorKind::Undeliverable, false);
        assert_eq!(verdict, Verdict::Dead);
    }

    #[test]
    fn an_older_record_that_gets_through_does_not_cure_a_key_of_its_newer_dead_letters() {
        let table = KeyTable::new(5, [], []);
        failed(&table, 5, SinkErrorKind::Undeliverable);
        assert!(
            table.delivered(&at(4)),
            "there may be older ones, which are stale now"
        );
        assert_eq!(table.allowed_attempts(KEY), 1);
        table.redriven(KEY, false);
        assert_eq!(table.allowed_attempts(KEY), 6);
        assert_eq!(table.admit(KEY), Admission::Behind);
    }

    #[test]
    fn keys_that_waited_before_a_restart_are_parked_from_the_start() {
        let table = KeyTable::new(5, [KEY, KEY], []);
        assert_eq!(table.admit(KEY), Admission::Behind);
        assert_eq!(table.admit(RecordKey::from_u128(2)), Admission::Send);
    }
}
