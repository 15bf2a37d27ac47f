//! Remembers the tasks whose end no call has seen.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use conduit_core::{EventId, Record, RecordKey};

/// Most records that are remembered, about 10 MB. Beyond it the oldest task is forgotten: its records are put again, which
/// does no harm.
const MAX_RECORDS: usize = 65_536;

/// Which records are in which task, from the moment the server took it until a call answers for them.
///
/// A call that is dropped or runs out of time leaves its records here, so that they are not sent again while their task
/// is still running. What is remembered of a record counts only as long as nothing older of its key is sent: then it has
/// to be sent again, after that.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    /// By their order here.
    tasks: BTreeMap<u64, Task>,
    /// The remembered records of each key, in their order.
    keys: HashMap<RecordKey, Vec<(EventId, u64)>>,
    next: u64,
    count: usize,
}

#[derive(Debug)]
struct Task {
    uid: u64,
    has_succeeded: bool,
    /// The keys of its records, some of which may have been forgotten.
    keys: Vec<RecordKey>,
    remembered: usize,
}

/// What is remembered of a record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Memory {
    /// Its task succeeded.
    Done,
    /// Its task, by its uid, was not seen to end.
    Running(u64),
}

impl Memory {
    /// Returns the task that was not seen to end.
    pub(super) fn running(self) -> Option<u64> {
        match self {
            Self::Done => None,
            Self::Running(uid) => Some(uid),
        }
    }
}

impl Ledger {
    /// Notes that the server took these records as task `uid`.
    pub(super) fn note<'a>(&self, uid: u64, records: impl Iterator<Item = &'a Record>) {
        let mut entries = self.entries();
        let number = entries.next;
        entries.next += 1;
        let mut keys = Vec::new();
        for record in records {
            let of_key = entries.keys.entry(record.key()).or_default();
            of_key.push((record.event_id().clone(), number));
            keys.push(record.key());
        }
        let remembered = keys.len();
        entries.count += remembered;
        let task = Task {
            uid,
            has_succeeded: false,
            keys,
            remembered,
        };
        entries.tasks.insert(number, task);
        while entries.count > MAX_RECORDS
            && let Some((oldest, _)) = entries.tasks.first_key_value()
        {
            let oldest = *oldest;
            entries.forget_task(oldest);
        }
    }

    /// Notes that a task succeeded.
    pub(super) fn succeeded(&self, uid: u64) {
        for task in self.entries().tasks.values_mut().filter(|task| task.uid == uid) {
            task.has_succeeded = true;
        }
    }

    /// Forgets a task: its records have to be sent again.
    pub(super) fn forget_task(&self, uid: u64) {
        let mut entries = self.entries();
        let of_uid = entries.tasks.iter().filter(|(_, task)| task.uid == uid);
        let numbers: Vec<u64> = of_uid.map(|(number, _)| *number).collect();
        for number in numbers {
            entries.forget_task(number);
        }
    }

    /// Returns what is remembered of a record.
    pub(super) fn recall(&self, record: &Record) -> Option<Memory> {
        let entries = self.entries();
        let of_key = entries.keys.get(&record.key())?;
        let (_, number) = of_key.iter().rfind(|(event, _)| event == record.event_id())?;
        let task = entries.tasks.get(number)?;
        Some(if task.has_succeeded {
            Memory::Done
        } else {
            Memory::Running(task.uid)
        })
    }

    /// Forgets a record: a call answers for it.
    pub(super) fn forget(&self, record: &Record) {
        self.entries()
            .forget_where(record.key(), |event| event == record.event_id());
    }

    /// Forgets whatever is remembered of the key but `kept`: an older record of it is about to be sent.
    pub(super) fn forget_key(&self, key: RecordKey, kept: &[&EventId]) {
        self.entries().forget_where(key, |event| !kept.contains(&event));
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        // What is behind the lock is whole at every moment.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn forget_where(&mut self, key: RecordKey, is_forgotten: impl Fn(&EventId) -> bool) {
        let Some(of_key) = self.keys.get_mut(&key) else {
            return;
        };
        let tasks = &mut self.tasks;
        let count = &mut self.count;
        of_key.retain(|(event, number)| {
            let is_kept = !is_forgotten(event);
            if !is_kept {
                *count -= 1;
                if let Some(task) = tasks.get_mut(number) {
                    task.remembered -= 1;
                    if task.remembered == 0 {
                        tasks.remove(number);
                    }
                }
            }
            is_kept
        });
        if of_key.is_empty() {
            self.keys.remove(&key);
        }
    }

    fn forget_task(&mut self, number: u64) {
        let Some(task) = self.tasks.remove(&number) else {
            return;
        };
        self.count -= task.remembered;
        for key in task.keys {
            if let Some(of_key) = self.keys.get_mut(&key) {
                of_key.retain(|(_, of)| *of != number);
                if of_key.is_empty() {
                    self.keys.remove(&key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use conduit_core::{ClusterTime, CollectionName, RecordParts, RecordType, Sequence, WallTime};

    use super::*;

    fn record(number: usize, key: usize) -> Record {
        Record::new(RecordParts {
            event_id: EventId::new(format!("e{number}")),
            collection: CollectionName::new("c").unwrap(),
            record_type: RecordType::Remove,
            key: RecordKey::of(&key.to_be_bytes()),
            keys: b"{}",
            new_image: None,
            old_image: None,
            timestamp: WallTime::from_millis(0),
            time: ClusterTime::new(1, 1),
            sequence: Sequence::whole("82"),
        })
    }

    fn is_empty(ledger: &Ledger) -> bool {
        let entries = ledger.entries();
        entries.tasks.is_empty() && entries.keys.is_empty() && entries.count == 0
    }

    #[test]
    fn a_record_is_remembered_until_it_is_answered_for() {
        let (first, second) = (record(1, 1), record(2, 2));
        let ledger = Ledger::default();
        ledger.note(7, [&first, &second].into_iter());
        assert_eq!(ledger.recall(&first), Some(Memory::Running(7)));
        ledger.succeeded(7);
        assert_eq!(ledger.recall(&second), Some(Memory::Done));
        ledger.forget(&first);
        assert_eq!(ledger.recall(&first), None);
        assert_eq!(ledger.recall(&second), Some(Memory::Done));
        ledger.forget(&second);
        assert!(is_empty(&ledger));
    }

    #[test]
    fn a_task_is_forgotten_with_all_its_records() {
        let (first, second, third) = (record(1, 1), record(2, 1), record(3, 1));
        let ledger = Ledger::default();
        ledger.note(7, [&first, &second].into_iter());
        ledger.note(8, [&third].into_iter());
        ledger.forget_task(7);
        assert_eq!(ledger.recall(&first), None);
        assert_eq!(ledger.recall(&second), None);
        assert_eq!(ledger.recall(&third), Some(Memory::Running(8)));
    }

    #[test]
    fn what_follows_a_record_that_is_sent_anew_is_forgotten() {
        let (first, second) = (record(1, 1), record(2, 1));
        let ledger = Ledger::default();
        ledger.note(7, [&first, &second].into_iter());
        ledger.forget_key(first.key(), &[first.event_id()]);
        assert_eq!(ledger.recall(&first), Some(Memory::Running(7)));
        assert_eq!(ledger.recall(&second), None);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_task_goes_first() {
        let ledger = Ledger::default();
        let tasks = MAX_RECORDS / 1000 + 2;
        for task in 0..tasks {
            let records: Vec<Record> = (0..1000).map(|n| record(task * 1000 + n, n)).collect();
            ledger.note(task as u64, records.iter());
        }
        assert_eq!(ledger.recall(&record(0, 0)), None);
        let last = record((tasks - 1) * 1000, 0);
        assert_eq!(ledger.recall(&last), Some(Memory::Running(tasks as u64 - 1)));
        assert!(ledger.entries().count <= MAX_RECORDS);
        for task in 0..tasks {
            ledger.forget_task(task as u64);
        }
        assert!(is_empty(&ledger));
    }
}
