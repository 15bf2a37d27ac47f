//! A watcher over a history that a test writes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use conduit_core::{
    BatchLimits, ClusterTime, CollectionName, EventId, Position, Record, RecordKey, RecordParts,
    RecordStream, RecordType, Sequence, StreamBatch, StreamIdentity, WallTime, WatchError, WatchTarget,
    Watcher,
};
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
    open_errors: Vec<WatchError>,
    read_errors: Vec<WatchError>,
    opened: usize,
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
        let mut history = self.history();
        let number = history.records.len() + 1;
        let seconds = u32::try_from(number).unwrap_or(u32::MAX);
        let event_id = EventId::new(format!("event-{number}"));
        #[allow(clippy::expect_used)]
        let collection = CollectionName::new(collection).expect("a test names legal collections");
        let keys = serde_json::json!({ "_id": key }).to_string();
        let image = serde_json::json!({ "_id": key, "value": value }).to_string();
        let record = Record::new(RecordParts {
            event_id: event_id.clone(),
            collection,
            record_type,
            key: RecordKey::of(key.as_bytes()),
            keys: keys.as_bytes(),
            new_image: (record_type != RecordType::Remove).then_some(image.as_bytes()),
            old_image: None,
            timestamp: WallTime::from_millis(i64::from(seconds) * 1000),
            time: ClusterTime::new(seconds, 0),
            sequence: Sequence::whole(&format!("{number:08X}")),
        });
        history.records.push(Arc::new(record));
        let length = history.records.len();
        drop(history);
        self.shared.length.send_replace(length);
        event_id
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

    fn position_of(&self, record: &Record) -> Position {
        Position::after(
            record.time(),
            record.sequence().token(),
            Arc::clone(&self.shared.identity),
        )
    }
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
        history.opened += 1;
        Ok(Box::new(ScriptedStream {
            watcher: self.clone(),
            targets: targets.iter().map(|target| target.collection.clone()).collect(),
            position: start.clone(),
            next: 0,
        }))
    }

    async fn now(&self) -> Result<ClusterTime, WatchError> {
        // The time after the last change, at which nothing has happened yet.
        let seconds = u32::try_from(self.history().records.len() + 1).unwrap_or(u32::MAX);
        Ok(ClusterTime::new(seconds, 0))
    }
}

#[derive(Debug)]
struct ScriptedStream {
    watcher: ScriptedWatcher,
    targets: Vec<CollectionName>,
    position: Position,
    next: usize,
}

impl ScriptedStream {
    fn take(&mut self, max_records: usize) -> Result<Vec<Arc<Record>>, WatchError> {
        let watcher = self.watcher.clone();
        let mut history = watcher.history();
        if !history.read_errors.is_empty() {
            return Err(history.read_errors.remove(0));
        }
        let mut taken = Vec::new();
        while taken.len() < max_records {
            let Some(record) = history.records.get(self.next) else {
                break;
            };
            self.next += 1;
            if self.position.covers(record.time(), record.sequence()) {
                continue;
            }
            self.position = watcher.position_of(record);
            if self.targets.contains(record.collection()) {
                taken.push(Arc::clone(record));
            }
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
            let records = self.take(limits.max_records)?;
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
