//! The waiting records of a subscription, without their contents.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use crate::contract::{RetryId, WaitingRef};
use crate::value::{RecordKey, WallTime};

/// Knows which records wait, in which order, and when the head of each key is due.
///
/// Contents stay in the store, so the memory this takes is bounded by the number of waiting records. Ids grow in the
/// order of the changes of a key, so the smallest id of a key is its head; only heads have a time, and a key whose
/// records are being sent has none until that ends.
#[derive(Debug, Default)]
pub(crate) struct RetryQueue {
    waiting: BTreeMap<RetryId, Waiting>,
    by_key: HashMap<RecordKey, VecDeque<RetryId>>,
    due: BTreeSet<(WallTime, RetryId)>,
    running: HashMap<RecordKey, Load>,
    load: Load,
    /// How many changes of each moment wait.
    moments: BTreeMap<WallTime, usize>,
    bytes: usize,
    next_id: u64,
}

/// How much is being sent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    /// A key takes a place in a call, one that goes alone a whole call.
    pub(crate) places: usize,
    /// The records' size.
    pub(crate) bytes: usize,
}

/// What is due of one key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) ids: Vec<RetryId>,
    /// It failed before, and may be at fault if a call with it fails again.
    pub(crate) is_alone: bool,
}

#[derive(Debug)]
struct Waiting {
    key: RecordKey,
    /// When it is due. `None` for a record that was never tried: at once when it becomes the head.
    due: Option<WallTime>,
    /// Its place in the queue's `due`, while it has one.
    scheduled: Option<WallTime>,
    size: usize,
    timestamp: WallTime,
}

impl RetryQueue {
    /// Takes over what the store knows, by growing id.
    pub(crate) fn new(waiting: Vec<WaitingRef>) -> Self {
        let mut queue = Self {
            next_id: 1,
            ..Self::default()
        };
        for entry in waiting {
            queue.next_id = queue.next_id.max(entry.id.0 + 1);
            queue.insert(entry, WallTime::default());
        }
        queue
    }

    fn insert(&mut self, entry: WaitingRef, now: WallTime) {
        let ids = self.by_key.entry(entry.key).or_default();
        ids.push_back(entry.id);
        let is_head = ids.len() == 1;
        self.bytes += entry.size;
        *self.moments.entry(entry.timestamp).or_insert(0) += 1;
        let (id, key) = (entry.id, entry.key);
        let waiting = Waiting {
            key,
            due: entry.due,
            scheduled: None,
            size: entry.size,
            timestamp: entry.timestamp,
        };
        self.waiting.insert(id, waiting);
        if is_head {
            self.schedule_head(key, now);
        }
    }

    /// Makes the head of a key due: at its time, or now if it was never tried.
    fn schedule_head(&mut self, key: RecordKey, now: WallTime) {
        if self.running.contains_key(&key) {
            return;
        }
        let Some(id) = self.by_key.get(&key).and_then(VecDeque::front).copied() else {
            return;
        };
        if let Some(waiting) = self.waiting.get_mut(&id) {
            // One that was never tried queues behind what is due already, so that busy keys do not starve retries.
            let at = waiting.due.unwrap_or(now);
            if let Some(old) = waiting.scheduled.replace(at) {
                self.due.remove(&(old, id));
            }
            self.due.insert((at, id));
        }
    }

    /// Adds a record behind all others of its key and returns its id.
    pub(crate) fn push(&mut self, now: WallTime, entry: impl FnOnce(RetryId) -> WaitingRef) -> RetryId {
        let id = RetryId(self.next_id);
        self.next_id += 1;
        self.insert(entry(id), now);
        id
    }

    /// Sets when a record is due again after a failed attempt; that counts once nothing of its key is being sent.
    pub(crate) fn reschedule(&mut self, id: RetryId, due: WallTime) {
        if let Some(waiting) = self.waiting.get_mut(&id) {
            waiting.due = Some(due);
        }
    }

    /// Takes a record out.
    pub(crate) fn remove(&mut self, id: RetryId, now: WallTime) {
        let Some(waiting) = self.waiting.remove(&id) else {
            return;
        };
        self.bytes -= waiting.size;
        if let Some(count) = self.moments.get_mut(&waiting.timestamp) {
            *count -= 1;
            if *count == 0 {
                self.moments.remove(&waiting.timestamp);
            }
        }
        if let Some(at) = waiting.scheduled {
            self.due.remove(&(at, id));
        }
        if let Some(ids) = self.by_key.get_mut(&waiting.key) {
            // What leaves is the head; anything else would be out of order.
            if ids.front() == Some(&id) {
                ids.pop_front();
            } else {
                ids.retain(|other| *other != id);
            }
            if ids.is_empty() {
                self.by_key.remove(&waiting.key);
            }
        }
        self.schedule_head(waiting.key, now);
    }

    /// Takes keys whose head is due, each with what can be sent of it now, until as much as `most` is being sent: a head that
    /// failed before goes alone, and takes the `places` of a whole call; records that were never tried go together, up to
    /// `max_records` of a key.
    pub(crate) fn take_due(
        &mut self,
        now: WallTime,
        most: Load,
        places: usize,
        max_records: usize,
    ) -> Vec<Due> {
        let mut taken = Vec::new();
        while self.load.places < most.places && self.load.bytes < most.bytes {
            let Some((due, head)) = self.due.first().copied() else {
                break;
            };
            if due > now {
                break;
            }
            self.due.pop_first();
            let Some(waiting) = self.waiting.get_mut(&head) else {
                continue;
            };
            waiting.scheduled = None;
            let (key, is_alone) = (waiting.key, waiting.due.is_some());
            let (ids, bytes) = self.sendable(key, max_records, most.bytes - self.load.bytes);
            let places = if is_alone { places } else { 1 };
            self.run(key, Load { places, bytes });
            taken.push(Due { ids, is_alone });
        }
        taken
    }

    /// Takes the key whose head was due first, due or not, with its head alone.
    pub(crate) fn take_first(&mut self) -> Option<RetryId> {
        let (_, head) = self.due.pop_first()?;
        let waiting = self.waiting.get_mut(&head)?;
        waiting.scheduled = None;
        let (key, bytes) = (waiting.key, waiting.size);
        self.run(key, Load { places: 1, bytes });
        Some(head)
    }

    /// Keeps a key from being sent until [`finished`](Self::finished) says that it may.
    pub(crate) fn block(&mut self, key: RecordKey) {
        self.run(key, Load { places: 1, bytes: 0 });
        let head = self.by_key.get(&key).and_then(VecDeque::front).copied();
        self.unschedule(head);
    }

    fn run(&mut self, key: RecordKey, load: Load) {
        self.stop(key);
        self.running.insert(key, load);
        self.load.places += load.places;
        self.load.bytes += load.bytes;
    }

    fn stop(&mut self, key: RecordKey) {
        if let Some(load) = self.running.remove(&key) {
            self.load.places -= load.places;
            self.load.bytes -= load.bytes;
        }
    }

    /// Whether records of the key wait.
    pub(crate) fn has(&self, key: RecordKey) -> bool {
        self.by_key.contains_key(&key)
    }

    /// Sets ids aside for `count` records that are to wait before everything that comes from now on; returns the first.
    pub(crate) fn reserve(&mut self, count: u64) -> RetryId {
        let first = RetryId(self.next_id);
        self.next_id += count;
        first
    }

    /// Adds a record under an id that was set aside, in the place of its key's records that the id gives it; `false` if a
    /// record behind that place is being sent.
    pub(crate) fn put(&mut self, now: WallTime, entry: WaitingRef) -> bool {
        let (id, key) = (entry.id, entry.key);
        let Some(ids) = self.by_key.get(&key) else {
            self.insert(entry, now);
            return true;
        };
        let at = ids.partition_point(|other| *other < id);
        if at == 0 && self.running.contains_key(&key) {
            return false;
        }
        let old_head = ids.front().copied();
        self.insert(entry, now);
        if let Some(ids) = self.by_key.get_mut(&key) {
            ids.pop_back();
            ids.insert(at, id);
        }
        if at == 0 {
            self.unschedule(old_head);
            self.schedule_head(key, now);
        }
        true
    }

    fn unschedule(&mut self, id: Option<RetryId>) {
        if let Some(id) = id
            && let Some(waiting) = self.waiting.get_mut(&id)
            && let Some(at) = waiting.scheduled.take()
        {
            self.due.remove(&(at, id));
        }
    }

    /// Returns how many keys have a head that was tried before.
    pub(crate) fn tried_keys(&self) -> usize {
        let heads = self.by_key.values().filter_map(VecDeque::front);
        let tried = |id: &&RetryId| self.waiting.get(id).is_some_and(|waiting| waiting.due.is_some());
        heads.filter(tried).count()
    }

    fn sendable(&self, key: RecordKey, max_records: usize, max_bytes: usize) -> (Vec<RetryId>, usize) {
        let mut ids = Vec::new();
        let mut bytes = 0;
        for id in self.by_key.get(&key).into_iter().flatten() {
            let Some(waiting) = self.waiting.get(id) else {
                continue;
            };
            let is_tried = waiting.due.is_some();
            let is_full = ids.len() >= max_records || bytes + waiting.size > max_bytes;
            if !ids.is_empty() && (is_tried || is_full) {
                break;
            }
            bytes += waiting.size;
            ids.push(*id);
            if is_tried {
                break;
            }
        }
        (ids, bytes)
    }

    /// Notes that nothing of the key is being sent any more: its head is due at its time.
    pub(crate) fn finished(&mut self, key: RecordKey, now: WallTime) {
        self.stop(key);
        self.schedule_head(key, now);
    }

    /// Returns when the next head is due.
    pub(crate) fn next_due(&self) -> Option<WallTime> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Returns how much is being sent.
    pub(crate) fn load(&self) -> Load {
        self.load
    }

    /// Returns how many records wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Returns how many bytes they have.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the keys of all waiting records, one for each record.
    pub(crate) fn keys(&self) -> impl Iterator<Item = RecordKey> {
        self.waiting.values().map(|waiting| waiting.key)
    }

    /// Returns when the oldest change that waits happened.
    pub(crate) fn oldest(&self) -> Option<WallTime> {
        self.moments.keys().next().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: RecordKey = RecordKey::from_u128(1);
    const B: RecordKey = RecordKey::from_u128(2);

    fn at(millis: i64) -> WallTime {
        WallTime::from_millis(millis)
    }

    fn waiting(id: RetryId, key: RecordKey, due: Option<WallTime>) -> WaitingRef {
        WaitingRef {
            id,
            key,
            due,
            size: 10,
            timestamp: at(0),
        }
    }

    fn push(queue: &mut RetryQueue, key: RecordKey, due: Option<WallTime>) -> RetryId {
        queue.push(at(0), |id| waiting(id, key, due))
    }

    fn take(queue: &mut RetryQueue, now: i64) -> Vec<Vec<RetryId>> {
        let most = Load {
            places: 10,
            bytes: 1000,
        };
        let taken = queue.take_due(at(now), most, 1, 2);
        taken.into_iter().map(|due| due.ids).collect()
    }

    #[test]
    fn only_the_head_of_a_key_is_ever_due() {
        let mut queue = RetryQueue::new(Vec::new());
        let head = push(&mut queue, A, Some(at(100)));
        push(&mut queue, A, None);
        let other = push(&mut queue, B, Some(at(50)));
        assert_eq!(queue.next_due(), Some(at(50)));
        assert_eq!(take(&mut queue, 100), [[other], [head]]);
        assert!(take(&mut queue, 1000).is_empty());
    }

    #[test]
    fn followers_go_together_once_the_head_got_through() {
        let mut queue = RetryQueue::new(Vec::new());
        let head = push(&mut queue, A, Some(at(0)));
        let followers: Vec<RetryId> = (0..3).map(|_| push(&mut queue, A, None)).collect();
        assert_eq!(take(&mut queue, 0), [[head]]);
        queue.remove(head, at(0));
        assert!(take(&mut queue, 0).is_empty(), "a key in hand is not taken twice");
        queue.finished(A, at(0));
        assert_eq!(take(&mut queue, 0), [&followers[..2]]);
    }

    #[test]
    fn as_much_is_taken_as_there_are_places_and_bytes_and_what_failed_before_takes_a_call() {
        let mut queue = RetryQueue::new(Vec::new());
        push(&mut queue, A, Some(at(0)));
        push(&mut queue, B, Some(at(0)));
        let take = |queue: &mut RetryQueue, places, bytes| {
            let most = Load { places, bytes };
            queue.take_due(at(0), most, 5, 10).len()
        };
        assert_eq!(take(&mut queue, 5, 1000), 1);
        assert_eq!(queue.load().places, 5);
        assert_eq!(take(&mut queue, 5, 1000), 0);
        assert_eq!(take(&mut queue, 6, 10), 0);
        assert_eq!(take(&mut queue, 6, 11), 1);
        queue.finished(A, at(0));
        queue.finished(B, at(0));
        assert_eq!((queue.load().places, queue.load().bytes), (0, 0));
    }

    #[test]
    fn a_rescheduled_head_waits_for_its_new_time() {
        let mut queue = RetryQueue::new(Vec::new());
        let head = push(&mut queue, A, Some(at(0)));
        take(&mut queue, 0);
        queue.reschedule(head, at(500));
        queue.finished(A, at(0));
        assert_eq!(queue.next_due(), Some(at(500)));
        queue.remove(head, at(0));
        assert_eq!((queue.next_due(), queue.len(), queue.bytes()), (None, 0, 0));
    }

    #[test]
    fn a_record_under_an_id_set_aside_waits_before_what_came_later_unless_that_is_being_sent() {
        let mut queue = RetryQueue::new(Vec::new());
        let first = queue.reserve(3);
        let later = push(&mut queue, A, None);
        assert!(queue.put(at(0), waiting(RetryId(first.0 + 1), A, None)));
        assert!(queue.put(at(0), waiting(first, A, None)));
        let all = vec![first, RetryId(first.0 + 1)];
        assert_eq!(take(&mut queue, 0), [&all[..]]);
        for id in all {
            queue.remove(id, at(0));
        }
        queue.finished(A, at(0));
        assert_eq!(take(&mut queue, 0), [[later]]);
        assert!(!queue.put(at(0), waiting(RetryId(first.0 + 2), A, None)));
    }

    #[test]
    fn ids_go_on_after_those_of_the_store() {
        let mut queue = RetryQueue::new(vec![waiting(RetryId(41), A, None)]);
        assert_eq!(push(&mut queue, A, None), RetryId(42));
        assert_eq!(queue.oldest(), Some(at(0)));
        assert_eq!(take(&mut queue, 0), [[RetryId(41), RetryId(42)]]);
    }
}
