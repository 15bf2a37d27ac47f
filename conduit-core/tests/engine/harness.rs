//! An engine that a test starts, stops and kills, and what it reads of records and letters.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use conduit_core::{
    Clock, ClusterTime, CollectionName, CollectionSpec, Conduit, DestinationId, EngineDied, Handle, Record,
    RecordType, RetryPolicy, Settings, Sink, SinkError, StateStore, SubscriptionPhase, SubscriptionSpec,
    SubscriptionStatus, WallTime,
};
use conduit_state::MemoryStore;
use conduit_testkit::{Answer, RecordingSink, ScriptedWatcher};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Wall time that follows tokio's clock, which tests pause.
#[derive(Debug)]
pub(crate) struct PausedClock(Instant);

impl PausedClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Instant::now()))
    }
}

impl Clock for PausedClock {
    fn now(&self) -> WallTime {
        WallTime::from_millis(1_700_000_000_000).after(self.0.elapsed())
    }
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) watcher: ScriptedWatcher,
    pub(crate) store: MemoryStore,
    pub(crate) clock: Arc<PausedClock>,
}

pub(crate) struct Running {
    pub(crate) handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), EngineDied>>,
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = PausedClock::new();
        Self {
            watcher: ScriptedWatcher::new(),
            store: MemoryStore::with_clock(clock.clone()),
            clock,
        }
    }

    pub(crate) fn start(&self, collections: Vec<CollectionSpec>) -> Running {
        self.start_with(
            Settings {
                seed: Some(1),
                ..Settings::default()
            },
            collections,
        )
    }

    pub(crate) fn start_with(&self, settings: Settings, collections: Vec<CollectionSpec>) -> Running {
        self.start_on(Arc::new(self.store.clone()), settings, collections)
    }

    pub(crate) fn start_on(
        &self,
        store: Arc<dyn StateStore>,
        settings: Settings,
        collections: Vec<CollectionSpec>,
    ) -> Running {
        let mut builder = Conduit::builder(Arc::new(self.watcher.clone()), store)
            .clock(self.clock.clone())
            .settings(settings);
        for collection in collections {
            builder = builder.collection(collection);
        }
        Running::of(builder.build().unwrap())
    }

    /// Modifies each of the documents `k0`, `k1`, … of the collection `c` once for each value, value by value.
    pub(crate) fn modify(&self, keys: Range<u64>, values: Range<u64>) {
        for value in values {
            for key in keys.clone() {
                self.watcher
                    .change("c", &format!("k{key}"), RecordType::Modify, value);
            }
        }
    }

    /// Returns the dead letters of the collection `c`, oldest first.
    pub(crate) async fn dead_letters(&self) -> Vec<serde_json::Value> {
        let letters = self.store.dead_letters(&c(), None, 10_000).await.unwrap();
        letters
            .iter()
            .map(|letter| serde_json::from_str(letter).unwrap())
            .collect()
    }
}

impl Running {
    /// Runs an engine until it is told to stop.
    pub(crate) fn of(conduit: Conduit) -> Self {
        let handle = conduit.handle();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(conduit.run_until(async {
            let _ = stopped.await;
        }));
        Self {
            handle,
            stop: Some(stop),
            task,
        }
    }

    /// Tells it to stop gracefully, and does not wait.
    pub(crate) fn begin_stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    /// Stops gracefully.
    pub(crate) async fn stop(mut self) {
        let _ = self.stop.take().unwrap().send(());
        self.task.await.unwrap().unwrap();
    }

    /// Ends as a crash does: nothing more is sent or committed.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    pub(crate) fn status(&self, destination: &str) -> Option<SubscriptionStatus> {
        let all = self.handle.status();
        all.into_iter()
            .flat_map(|c| c.destinations)
            .find(|d| d.id.as_str() == destination)
    }

    /// Looks at the status until it is as wanted.
    pub(crate) async fn until(&self, destination: &str, wanted: impl Fn(&SubscriptionStatus) -> bool) {
        let look = async {
            while !self.status(destination).is_some_and(|status| wanted(&status)) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(3600), look).await;
        waited.unwrap_or_else(|_| panic!("never as wanted: {:?}", self.status(destination)));
    }

    pub(crate) async fn until_phase(&self, destination: &str, phase: SubscriptionPhase) {
        self.until(destination, |status| status.phase == phase).await;
    }

    /// Looks at the status until all that was read is settled and nothing waits.
    pub(crate) async fn until_through(&self, destination: &str) {
        self.until(destination, is_through).await;
    }
}

/// Whether all that was read is settled and nothing waits.
pub(crate) fn is_through(status: &SubscriptionStatus) -> bool {
    status.lag_seconds == Some(0.0) && status.retry_length == 0
}

/// The name of the collection that most tests have.
pub(crate) fn c() -> CollectionName {
    CollectionName::new("c").unwrap()
}

pub(crate) fn subscription(id: &str, sink: impl Sink, max_retries: u32) -> SubscriptionSpec {
    SubscriptionSpec::new(DestinationId::new(id.to_owned()).unwrap(), sink)
        .with_start(ClusterTime::new(1, 0))
        .with_retry(RetryPolicy::with_max_retries(max_retries))
}

pub(crate) fn collection(name: &str, subscriptions: Vec<SubscriptionSpec>) -> CollectionSpec {
    let spec = CollectionSpec::named(name).unwrap();
    subscriptions
        .into_iter()
        .fold(spec, CollectionSpec::with_subscription)
}

/// A sink that refuses the values while the flag is up, as it is at first.
pub(crate) fn refusing(values: &'static [u64]) -> (RecordingSink, Arc<AtomicBool>) {
    let refuses = Arc::new(AtomicBool::new(true));
    let sink = RecordingSink::scripted({
        let refuses = refuses.clone();
        move |record, _| {
            if refuses.load(Ordering::SeqCst) && values.contains(&value_of(record)) {
                Answer::Fail(SinkError::rejected("HTTP 422"))
            } else {
                Answer::Accept
            }
        }
    });
    (sink, refuses)
}

/// The key of a record's document.
pub(crate) fn key_of(record: &Record) -> String {
    let keys: serde_json::Value = serde_json::from_slice(record.keys()).unwrap();
    keys["_id"].as_str().unwrap().to_owned()
}

/// The value in the new image of a record.
pub(crate) fn value_of(record: &Record) -> u64 {
    let image: serde_json::Value = serde_json::from_slice(record.new_image().unwrap()).unwrap();
    image["value"].as_u64().unwrap()
}

/// The values of the new images of what a sink accepted of one document, in the order of arrival.
pub(crate) fn values_of(sink: &RecordingSink, key: &str) -> Vec<u64> {
    let arrived = sink.arrived().into_iter().filter(|arrived| arrived.accepted);
    let records = arrived.map(|arrived| arrived.record);
    records
        .filter(|record| record.new_image().is_some() && key_of(record) == key)
        .map(|record| value_of(&record))
        .collect()
}

/// The ids of the events that a sink accepted more than once.
pub(crate) fn repeated(sink: &RecordingSink) -> Vec<String> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for id in sink.accepted() {
        *counts.entry(id).or_insert(0) += 1;
    }
    let mut all: Vec<String> = counts
        .into_iter()
        .filter(|(_, n)| *n > 1)
        .map(|(id, _)| id)
        .collect();
    all.sort();
    all
}
