//! The source of a simulated world: a history of changes, and how workers read it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::{
    BatchLimits, Clock, ClusterTime, CollectionName, EventId, Position, Record, RecordKey, RecordParts,
    RecordStream, RecordType, Sequence, StreamBatch, StreamIdentity, WatchError, WatchTarget, Watcher,
};
use fastrand::Rng;
use tokio::sync::Notify;

use super::clock::WorldClock;
use super::event::Change;
use super::happening::Happening;
use super::journal::Journal;
use super::names;
use super::plan::LinkFaults;

/// The history. Changes of one transaction share a cluster time; a change of a key is two records.
#[derive(Debug)]
pub(super) struct Source {
    clock: Arc<WorldClock>,
    journal: Journal,
    history: Mutex<History>,
    /// Wakes all streams, in the order in which they began to wait.
    grown: Notify,
    identity: Arc<StreamIdentity>,
    is_calm: AtomicBool,
    /// How often all open streams were made to fail.
    breaks: AtomicU64,
}

#[derive(Debug, Default)]
struct History {
    records: Vec<Arc<Record>>,
    last: ClusterTime,
    tokens: u64,
}

impl History {
    fn next_token(&mut self) -> String {
        self.tokens += 1;
        format!("{:08X}", self.tokens)
    }
}

impl Source {
    pub(super) fn new(clock: Arc<WorldClock>, journal: Journal) -> Arc<Self> {
        let identity = StreamIdentity {
            source: "simulated".to_owned(),
            options: String::new(),
        };
        Arc::new(Self {
            clock,
            journal,
            history: Mutex::default(),
            grown: Notify::new(),
            identity: Arc::new(identity),
            is_calm: AtomicBool::new(false),
            breaks: AtomicU64::new(0),
        })
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next moment of the history: after everything so far, not before the present.
    fn tick(&self, history: &mut History) -> ClusterTime {
        let seconds = u32::try_from(self.clock.now().as_millis() / 1000).unwrap_or(u32::MAX);
        history.last = if seconds > history.last.t {
            ClusterTime::new(seconds, 1)
        } else {
            ClusterTime::new(history.last.t, history.last.i + 1)
        };
        history.last
    }

    /// Changes documents in one transaction.
    pub(super) fn write(&self, changes: &[Change]) {
        let mut history = self.history();
        let time = self.tick(&mut history);
        let mut written = Vec::new();
        for change in changes {
            let token = history.next_token();
            let parts = match *change {
                Change::Of {
                    collection,
                    key,
                    record_type,
                } => vec![(collection, key, record_type, Sequence::whole(&token))],
                Change::OfKey { collection, from, to } => {
                    let (first, second) = Sequence::pair(&token);
                    vec![
                        (collection, from, RecordType::Remove, first),
                        (collection, to, RecordType::Insert, second),
                    ]
                }
            };
            for (collection, key, record_type, sequence) in parts {
                let number = history.records.len();
                let record = Arc::new(self.record(number, collection, key, record_type, (time, sequence)));
                history.records.push(Arc::clone(&record));
                written.push((number, record));
            }
        }
        drop(history);
        self.journal.note(Happening::Written(written));
        self.grown.notify_waiters();
    }

    fn record(
        &self,
        number: usize,
        collection: usize,
        key: usize,
        record_type: RecordType,
        (time, sequence): (ClusterTime, Sequence),
    ) -> Record {
        let keys = serde_json::json!({ "_id": key }).to_string();
        let image = serde_json::json!({ "_id": key, "number": number }).to_string();
        Record::new(RecordParts {
            event_id: EventId::new(number.to_string()),
            collection: names::collection(collection),
            record_type,
            key: RecordKey::of(keys.as_bytes()),
            keys: keys.as_bytes(),
            new_image: (record_type != RecordType::Remove).then_some(image.as_bytes()),
            old_image: None,
            timestamp: self.clock.now(),
            time,
            sequence,
        })
    }

    /// A time after all changes so far and not after any to come.
    pub(super) fn now(&self) -> ClusterTime {
        self.tick(&mut self.history())
    }

    /// The place after everything so far, which no change has.
    fn end(&self) -> Position {
        let mut history = self.history();
        let time = self.tick(&mut history);
        let token = history.next_token();
        Position::after(time, token, Arc::clone(&self.identity))
    }

    /// Makes every open stream fail at its next read.
    pub(super) fn break_streams(&self) {
        self.breaks.fetch_add(1, Ordering::Relaxed);
        self.grown.notify_waiters();
    }

    /// Ends all faults.
    pub(super) fn calm(&self) {
        self.is_calm.store(true, Ordering::Relaxed);
    }
}

/// One worker's way to the source.
#[derive(Debug)]
pub(super) struct SourceLink {
    source: Arc<Source>,
    faults: LinkFaults,
    held: Held,
    rng: Mutex<Rng>,
}

/// What a worker has read of each collection and may still have in memory.
type Held = Arc<Mutex<BTreeMap<usize, Vec<Weak<Record>>>>>;

impl SourceLink {
    pub(super) fn new(source: Arc<Source>, faults: LinkFaults, seed: u64) -> Self {
        let rng = Mutex::new(Rng::with_seed(seed));
        Self {
            source,
            faults,
            held: Held::default(),
            rng,
        }
    }

    fn roll(&self) -> Rng {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).fork()
    }
}

#[async_trait]
impl Watcher for SourceLink {
    async fn open(
        &self,
        targets: &[WatchTarget],
        start: &Position,
    ) -> Result<Box<dyn RecordStream>, WatchError> {
        let mut rng = self.roll();
        let mut stream = SimulatedStream {
            source: Arc::clone(&self.source),
            faults: self.faults,
            held: Arc::clone(&self.held),
            targets: targets.iter().map(|target| target.collection.clone()).collect(),
            position: start.clone(),
            next: 0,
            breaks: self.source.breaks.load(Ordering::Relaxed),
            rng: rng.fork(),
        };
        stream.trouble("open").await?;
        Ok(Box::new(stream))
    }

    async fn now(&self) -> Result<ClusterTime, WatchError> {
        let fails = self.roll().u32(0..1000) < self.faults.fails_before;
        if fails && !self.source.is_calm.load(Ordering::Relaxed) {
            return Err(WatchError::unavailable("the simulated source does not answer"));
        }
        Ok(self.source.now())
    }
}

struct SimulatedStream {
    source: Arc<Source>,
    faults: LinkFaults,
    held: Held,
    targets: Vec<CollectionName>,
    position: Position,
    next: usize,
    breaks: u64,
    rng: Rng,
}

impl SimulatedStream {
    /// Takes as long as an answer takes, and fails now and then.
    async fn trouble(&mut self, what: &str) -> Result<(), WatchError> {
        if self.source.is_calm.load(Ordering::Relaxed) {
            return Ok(());
        }
        let latency = self.rng.u64(0..=self.faults.max_latency_ms);
        if latency > 0 {
            tokio::time::sleep(Duration::from_millis(latency)).await;
        }
        if self.rng.u32(0..1000) < self.faults.fails_before {
            return Err(WatchError::unavailable(format!("the simulated {what} fails")));
        }
        if self.source.breaks.load(Ordering::Relaxed) != self.breaks {
            return Err(WatchError::unavailable("the simulated stream broke"));
        }
        Ok(())
    }

    /// Notes what was read of each collection.
    fn note_read(&self, records: &[Arc<Record>]) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut read = BTreeSet::new();
        for record in records {
            if let Some(collection) = names::number_of_collection(record.collection()) {
                held.entry(collection).or_default().push(Arc::downgrade(record));
                read.insert(collection);
            }
        }
        for collection in read {
            let of_collection = held.entry(collection).or_default();
            of_collection.retain(|record| record.strong_count() > 0);
            let held = of_collection.len();
            self.source.journal.note(Happening::Read { collection, held });
        }
    }

    fn take(&mut self, max_records: usize) -> Vec<Arc<Record>> {
        let source = Arc::clone(&self.source);
        let history = source.history();
        let mut taken = Vec::new();
        while let Some(record) = history.records.get(self.next) {
            // The two records of one change are not torn apart.
            if taken.len() >= max_records && !record.sequence().as_str().ends_with("-1") {
                break;
            }
            self.next += 1;
            if self.position.covers(record.time(), record.sequence()) {
                continue;
            }
            if self.targets.contains(record.collection()) {
                // One of its own for each reader, so that it is known how long that one keeps it.
                taken.push(Arc::new(Record::clone(record)));
            }
        }
        taken
    }
}

#[async_trait]
impl RecordStream for SimulatedStream {
    async fn next_batch(&mut self, limits: BatchLimits) -> Result<StreamBatch, WatchError> {
        self.trouble("read").await?;
        let deadline = tokio::time::Instant::now() + limits.max_wait;
        let source = Arc::clone(&self.source);
        loop {
            // Asked for before looking, so that nothing that is written meanwhile is missed.
            let grown = source.grown.notified();
            let most = self.rng.usize(1..=limits.max_records);
            let records = self.take(most);
            let reached_end = self.next >= source.history().records.len();
            self.note_read(&records);
            if let Some(last) = records.last() {
                self.position =
                    Position::after(last.time(), last.sequence().token(), Arc::clone(&source.identity));
            } else if tokio::time::Instant::now() < deadline {
                let _ = tokio::time::timeout_at(deadline, grown).await;
                self.trouble("read").await?;
                continue;
            } else if reached_end {
                self.position = source.end();
            }
            return Ok(StreamBatch {
                records,
                position: self.position.clone(),
                reached_end,
            });
        }
    }
}
