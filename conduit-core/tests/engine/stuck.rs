//! A subscription is stuck when input waits and nothing moves, and only then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::{
    BatchLimits, ClusterTime, Conduit, Position, RecordStream, RecordType, Settings, SinkError,
    SinkErrorKind, StreamBatch, SubscriptionPhase, WatchError, WatchTarget, Watcher,
};
use conduit_testkit::{Answer, RecordingSink, ScriptedWatcher};

use crate::faulty_store::FaultyStore;
use crate::harness::{Running, World, c, collection, subscription};
use crate::outage::Outage;

/// Looks at the status every second of so many minutes, and returns what the destination waited for too long first.
async fn stuck_within(running: &Running, minutes: u64) -> Option<String> {
    for _ in 0..minutes * 60 {
        let stuck = running.status("d").and_then(|status| status.stuck);
        if stuck.is_some() {
            return stuck;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    None
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_a_commit_is_what_a_stuck_subscription_waits_for() {
    let world = World::new();
    let store = FaultyStore::new(world.store.clone());
    let sink = RecordingSink::new();
    let spec = collection("c", vec![subscription("d", sink.clone(), 5)]);
    let running = world.start_on(store.clone(), Settings::default(), vec![spec]);
    running.until("d", |status| status.lag_seconds.is_some()).await;
    store.hold_next_commits();
    world.watcher.change("c", "k", RecordType::Insert, 0);
    store.until_held().await;
    let held = tokio::time::Instant::now();
    let stuck = stuck_within(&running, 5).await;
    assert!(
        stuck
            .as_ref()
            .is_some_and(|text| text.contains("the state store")),
        "{stuck:?}"
    );
    // A minute, and what passes until it is looked for.
    let after = held.elapsed().as_secs();
    assert!((59..=66).contains(&after), "{after} s");
    store.let_go();
    running.until("d", |status| status.stuck.is_none()).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn how_long_nothing_may_move_is_a_setting() {
    let world = World::new();
    let store = FaultyStore::new(world.store.clone());
    let settings = Settings {
        stuck_after: Duration::from_secs(600),
        ..Settings::default()
    };
    let spec = collection("c", vec![subscription("d", RecordingSink::new(), 5)]);
    let running = world.start_on(store.clone(), settings, vec![spec]);
    running.until("d", |status| status.lag_seconds.is_some()).await;
    store.hold_next_commits();
    world.watcher.change("c", "k", RecordType::Insert, 0);
    store.until_held().await;
    assert_eq!(stuck_within(&running, 9).await, None);
    assert!(stuck_within(&running, 2).await.is_some());
    store.let_go();
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_has_nothing_to_do_or_has_to_wait_is_not_stuck() {
    let world = World::new();
    let outage = Outage::default();
    let sink = outage.sink(SinkErrorKind::Unavailable);
    let spec = collection("c", vec![subscription("d", sink.clone(), 5)]);
    let running = world.start(vec![spec]);
    running.until("d", |status| status.lag_seconds == Some(0.0)).await;
    assert_eq!(stuck_within(&running, 60).await, None, "idle");
    outage.begins();
    world.modify(0..100, 0..2);
    running.until_phase("d", SubscriptionPhase::Holding).await;
    assert_eq!(stuck_within(&running, 60).await, None, "held");
    outage.ends();
    running.until_through("d").await;
    running.handle.pause(&c(), None);
    running.until_phase("d", SubscriptionPhase::Paused).await;
    world.modify(0..10, 2..3);
    assert_eq!(stuck_within(&running, 60).await, None, "paused");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_is_not_due_and_a_throttled_destination_are_waited_for() {
    let world = World::new();
    let sink = RecordingSink::scripted(|record, arrivals| match (record.event_id().as_str(), arrivals) {
        // Retried until it waits five minutes at a time.
        ("event-1", 0..=12) => Answer::Fail(SinkError::rejected("HTTP 422")),
        ("event-2", 0..=3) => Answer::Fail(SinkError::new(
            SinkErrorKind::Throttled {
                retry_after: Some(Duration::from_secs(300)),
            },
            "HTTP 429",
        )),
        _ => Answer::Accept,
    });
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 20)])]);
    world.watcher.change("c", "a", RecordType::Insert, 0);
    let through = async {
        sink.wait_accepted(1).await;
        running.until_through("d").await;
    };
    tokio::select! {
        () = through => {}
        stuck = stuck_within(&running, 240) => panic!("{stuck:?}"),
    }
    world.watcher.change("c", "b", RecordType::Insert, 0);
    let through = async {
        sink.wait_accepted(2).await;
        running.until_through("d").await;
    };
    tokio::select! {
        () = through => {}
        stuck = stuck_within(&running, 240) => panic!("{stuck:?}"),
    }
    running.stop().await;
}

/// A source whose streams fall silent when told to: they do not even tell how far they were read.
#[derive(Debug)]
struct Silenced {
    inner: ScriptedWatcher,
    is_silent: Arc<AtomicBool>,
}

struct SilencedStream {
    inner: Box<dyn RecordStream>,
    is_silent: Arc<AtomicBool>,
}

#[async_trait]
impl Watcher for Silenced {
    async fn open(
        &self,
        targets: &[WatchTarget],
        start: &Position,
    ) -> Result<Box<dyn RecordStream>, WatchError> {
        let inner = self.inner.open(targets, start).await?;
        let is_silent = Arc::clone(&self.is_silent);
        Ok(Box::new(SilencedStream { inner, is_silent }))
    }

    async fn now(&self) -> Result<ClusterTime, WatchError> {
        self.inner.now().await
    }
}

#[async_trait]
impl RecordStream for SilencedStream {
    async fn next_batch(&mut self, limits: BatchLimits) -> Result<StreamBatch, WatchError> {
        if self.is_silent.load(Ordering::SeqCst) {
            std::future::pending().await
        }
        self.inner.next_batch(limits).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_falls_silent_is_what_a_stuck_subscription_waits_for() {
    let world = World::new();
    let is_silent = Arc::new(AtomicBool::new(false));
    let watcher = Silenced {
        inner: world.watcher.clone(),
        is_silent: Arc::clone(&is_silent),
    };
    let conduit = Conduit::builder(Arc::new(watcher), Arc::new(world.store.clone()))
        .clock(world.clock.clone())
        .collection(collection("c", vec![subscription("d", RecordingSink::new(), 5)]))
        .build()
        .unwrap();
    let running = Running::of(conduit);
    running.until("d", |status| status.lag_seconds == Some(0.0)).await;
    is_silent.store(true, Ordering::SeqCst);
    let stuck = stuck_within(&running, 5).await;
    assert!(
        stuck.as_ref().is_some_and(|text| text.contains("the source")),
        "{stuck:?}"
    );
    running.kill().await;
}
