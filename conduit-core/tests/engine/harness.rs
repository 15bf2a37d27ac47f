//! An engine that a test starts, stops and kills.

use std::sync::Arc;
use std::time::Duration;

use conduit_core::{
    Clock, ClusterTime, CollectionSpec, Conduit, DestinationId, EngineDied, Handle, RetryPolicy, Settings,
    Sink, StateStore, SubscriptionSpec, SubscriptionStatus, WallTime,
};
use conduit_state::MemoryStore;
use conduit_testkit::ScriptedWatcher;
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
        let conduit = builder.build().unwrap();
        let handle = conduit.handle();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(conduit.run_until(async {
            let _ = stopped.await;
        }));
        Running {
            handle,
            stop: Some(stop),
            task,
        }
    }
}

impl Running {
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

/// The values of the new images of what a sink accepted of one document, in the order of arrival.
pub(crate) fn values_of(sink: &conduit_testkit::RecordingSink, key: &str) -> Vec<u64> {
    let arrived = sink.arrived().into_iter().filter(|arrived| arrived.accepted);
    let images = arrived.filter_map(|arrived| {
        let image = arrived.record.new_image()?.clone();
        serde_json::from_slice::<serde_json::Value>(&image).ok()
    });
    images
        .filter(|image| image["_id"] == key)
        .map(|image| image["value"].as_u64().unwrap())
        .collect()
}
