//! A watcher over a history that a test writes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use conduit_core::{
    BatchLimits, ClusterTime, CollectionName, EventId, Position, Record, RecordKey, RecordParts,
    RecordStream, RecordType, Sequence, StreamBatch, StreamIdentity, WallTime, WatchError, WatchTarget,
    Watcher,
};
use serde_json::Value;
use tokio::sync::watch;

/// A source of changes in memory. Clones share the history.
///
/// Every change gets a cluster time of its own, one second after the one before, beginning with `(1, 0)`.
#[derive(Clone, Debug, Default)]
pub struct ScriptedWatcher {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    history: Mutex<History>,
    length: watch::Sender<usize>,
    identity: Arc<StreamIdentity>,
}

impl Default for Shared {
    fn default() -> Self {
        let identity = StreamIdentity {
            source: "scripted".to_owned(),
            options: String::new(),
        };
        Self {
            history: Mutex::default(),
            length: watch::Sender::new(0),
            identity: Arc::new(identity),
        }
    }
}

#[derive(Debug, Default)]
struct History {
    records: Vec<Arc<Record>>,
    changes: u32,
    /// Positions before this time cannot be gone on from.
    forgotten: ClusterTime,
    open_errors: Vec<WatchError>,
    read_errors: Vec<WatchError>,
    opened: usize,
    open: usize,
    most_open: usize,
}

impl ScriptedWatcher {
    /// A watcher with an empty history.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.shared.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a change of the document with this key, whose new image holds `value`; returns its event id.
    ///
    /// # Panics
    /// If the collection's name is not legal.
    pub fn change(&self, collection: &str, key: &str, record_type: RecordType, value: u64) -> EventId {
        let image = serde_json::json!({ "_id": key, "value": value });
        self.add(collection, key, record_type, &image)
    }

    /// Adds an insert of a document whose image has a `pad` of so many bytes; returns its event id.
    ///
    /// # Panics
    /// If the collection's name is not legal.
    pub fn insert_padded(&self, collection: &str, key: &str, pad: usize) -> EventId {
        let image = serde_json::json!({ "_id": key, "pad": "x".repeat(pad) });
        self.add(collection, key, RecordType::Insert, &image)
    }

    fn add(&self, collection: &str, key: &str, record_type: RecordType, image: &Value) -> EventId {
        let mut history = self.history();
        let (number, sequence) = history.next_change();
        let event_id = EventId::new(format!("event-{number}"));
        let place = (number, sequence, event_id.clone());
        history
            .records
            .push(make_record(collection, key, record_type, image, place));
        drop(history);
        self.announce();
        event_id
    }

    /// Adds a change of a document's key from `from` to `to`: one change that makes two records, a `REMOVE`
    /// and an `INSERT`; returns their event ids.
    ///
    /// # Panics
    /// If the collection's name is not legal.
    pub fn change_of_key(&self, collection: &str, from: &str, to: &str, value: u64) -> [EventId; 2] {
        let mut history = self.history();
        let (number, sequence) = history.next_change();
        let (first, second) = Sequence::pair(sequence.as_str());
        let ids = [0, 1].map(|half| EventId::new(format!("event-{number}-{half}")));
        let remove = (number, first, ids[0].clone());
        let insert = (number, second, ids[1].clone());
        let image = serde_json::json!({ "_id": to, "value": value });
        history
            .records
            .push(make_record(collection, from, RecordType::Remove, &image, remove));
        history
            .records
            .push(make_record(collection, to, RecordType::Insert, &image, insert));
        drop(history);
        self.announce();
        ids
    }

    /// Wakes those that wait for a change.
    fn announce(&self) {
        let length = self.history().records.len();
        self.shared.length.send_replace(length);
    }

    /// Forgets all changes so far: a stream that is opened at a position before the last of them has lost its
    /// history. Open streams are not touched.
    pub fn forget_history(&self) {
        let mut history = self.history();
        history.forgotten = ClusterTime::new(history.changes, 0);
    }

    /// Makes the next opening of a stream fail.
    pub fn fail_next_open(&self, error: WatchError) {
        self.history().open_errors.push(error);
    }

    /// Makes the next read of any stream fail.
    pub fn fail_next_read(&self, error: WatchError) {
        self.history().read_errors.push(error);
        // Whoever waits for a change looks again.
        self.shared.length.send_modify(|_| {});
    }

    /// Returns how many streams were opened so far.
    #[must_use]
    pub fn opened(&self) -> usize {
        self.history().opened
    }

    /// Returns how many streams are open.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.history().open
    }

    /// Returns how many streams were open at the same time, at most.
    #[must_use]
    pub fn most_open_streams(&self) -> usize {
        self.history().most_open
    }

    fn position_of(&self, record: &Record) -> Position {
        Position::after(
            record.time(),
            record.sequence().token(),
            Arc::clone(&self.shared.identity),
        )
    }
}

impl History {
    /// The number and the place of the change that is about to be added.
    fn next_change(&mut self) -> (u32, Sequence) {
        self.changes += 1;
        (self.changes, Sequence::whole(&format!("{:08X}", self.changes)))
    }

    /// The records of the change that begins at `index`: one, two, or none if there is none.
    fn change_at(&self, index: usize) -> &[Arc<Record>] {
        let rest = self.records.get(index..).unwrap_or_default();
        let end = rest
            .iter()
            .position(|record| record.sequence().is_last_of_change());
        &rest[..end.map_or(0, |end| end + 1)]
    }
}

fn make_record(
    collection: &str,
    key: &str,
    record_type: RecordType,
    image: &Value,
    (number, sequence, event_id): (u32, Sequence, EventId),
) -> Arc<Record> {
    #[allow(clippy::expect_used)]
    let collection = CollectionName::new(collection).expect("a test names legal collections");
    let keys = serde_json::json!({ "_id": key }).to_string();
    let image = image.to_string();
    Arc::new(Record::new(RecordParts {
        event_id,
        collection,
        record_type,
        key: RecordKey::of(key.as_bytes()),
        keys: keys.as_bytes(),
        new_image: (record_type != RecordType::Remove).then_some(image.as_bytes()),
        old_image: None,
        timestamp: WallTime::from_millis(i64::from(number) * 1000),
        time: ClusterTime::new(number, 0),
        sequence,
    }))
}

#[async_trait]
impl Watcher for ScriptedWatcher {
    async fn open(
        &self,
        targets: &[WatchTarget],
        start: &Position,
    ) -> Result<Box<dyn RecordStream>, WatchError> {
        let mut history = self.history();
        if !history.open_errors.is_empty() {
            return Err(history.open_errors.remove(0));
        }
        let (known, own) = (&start.stream().source, &self.shared.identity.source);
        if !known.is_empty() && known != own {
            return Err(WatchError::invalid(format!(
                "the position is of another source ({known})"
            )));
        }
        if start.time() < history.forgotten {
            return Err(WatchError::history_lost(
                "the changes after the position are forgotten",
            ));
        }
        history.opened += 1;
        history.open += 1;
        history.most_open = history.most_open.max(history.open);
        Ok(Box::new(ScriptedStream {
            watcher: self.clone(),
            targets: targets.iter().map(|target| target.collection.clone()).collect(),
            position: start.clone(),
            next: 0,
        }))
    }

    async fn now(&self) -> Result<ClusterTime, WatchError> {
        // The time after the last change, at which nothing has happened yet.
        Ok(ClusterTime::new(self.history().changes + 1, 0))
    }
}

#[derive(Debug)]
struct ScriptedStream {
    watcher: ScriptedWatcher,
    targets: Vec<CollectionName>,
    position: Position,
    next: usize,
}

impl Drop for ScriptedStream {
    fn drop(&mut self) {
        self.watcher.history().open -= 1;
    }
}

impl ScriptedStream {
    fn take(&mut self, limits: BatchLimits) -> Result<Vec<Arc<Record>>, WatchError> {
        let watcher = self.watcher.clone();
        let mut history = watcher.history();
        if !history.read_errors.is_empty() {
            return Err(history.read_errors.remove(0));
        }
        let mut taken: Vec<Arc<Record>> = Vec::new();
        let mut bytes = 0;
        while taken.len() < limits.max_records.max(1) {
            let change = history.change_at(self.next);
            let Some(last) = change.last() else { break };
            let is_done = self.position.covers(last.time(), last.sequence());
            if !is_done && self.targets.contains(last.collection()) {
                bytes += change.iter().map(|record| record.size()).sum::<usize>();
                if !taken.is_empty() && bytes > limits.max_bytes {
                    break;
                }
                taken.extend_from_slice(change);
            }
            if !is_done {
                self.position = watcher.position_of(last);
            }
            self.next += change.len();
        }
        Ok(taken)
    }
}

#[async_trait]
impl RecordStream for ScriptedStream {
    async fn next_batch(&mut self, limits: BatchLimits) -> Result<StreamBatch, WatchError> {
        let deadline = tokio::time::Instant::now() + limits.max_wait;
        let mut lengths = self.watcher.shared.length.subscribe();
        loop {
            lengths.borrow_and_update();
            let records = self.take(limits)?;
            let timed_out = tokio::time::Instant::now() >= deadline;
            if !records.is_empty() || timed_out {
                let reached_end = self.next >= self.watcher.history().records.len();
                return Ok(StreamBatch {
                    records,
                    position: self.position.clone(),
                    reached_end,
                });
            }
            let _ = tokio::time::timeout_at(deadline, lengths.changed()).await;
        }
    }
}
