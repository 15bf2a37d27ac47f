//! What a host is told of records, and how often it is asked whether it wants to be.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use conduit_core::{
    CollectionName, Conduit, EventPattern, Observer, RecordType, SettledAs, Settlement, SinkError,
    SubscriptionPhase,
};
use conduit_testkit::{Answer, RecordingSink};

use crate::harness::{Running, World, collection, key_of, subscription, value_of};

/// What became of a record: its document, the outcome and the attempt.
type Seen = (String, SettledAs, u32);

#[derive(Debug, Default)]
struct Onlooker {
    looks_on: AtomicBool,
    asked: AtomicUsize,
    settled: AtomicUsize,
    seen: Mutex<Vec<Seen>>,
}

impl Observer for Onlooker {
    fn settled(&self, _: &Settlement<'_>) {
        self.settled.fetch_add(1, Ordering::SeqCst);
    }

    fn is_followed(&self, collection: &CollectionName) -> bool {
        assert_eq!(collection.as_str(), "c");
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.looks_on.load(Ordering::SeqCst)
    }

    fn followed(&self, settlement: &Settlement<'_>) {
        let key = key_of(settlement.record);
        let seen = (key, settlement.settled, settlement.attempt);
        self.seen.lock().unwrap().push(seen);
    }
}

impl Onlooker {
    fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

/// Starts with one destination that wants values below 100 only, and gives up after one retry.
fn start(world: &World, onlooker: &Arc<Onlooker>, sink: RecordingSink) -> Running {
    let below_100 = EventPattern::parse(r#"{"new_image": {"value": [{"numeric": ["<", 100]}]}}"#).unwrap();
    let subscription = subscription("d", sink, 1).with_filter(below_100);
    let conduit = Conduit::builder(Arc::new(world.watcher.clone()), Arc::new(world.store.clone()))
        .clock(world.clock.clone())
        .observer(onlooker.clone())
        .collection(collection("c", vec![subscription]));
    Running::of(conduit.build().unwrap())
}

#[tokio::test(start_paused = true)]
async fn who_looks_on_is_told_of_each_outcome_with_its_attempt_and_nobody_else_is() {
    let world = World::new();
    let onlooker = Arc::new(Onlooker::default());
    let sink = RecordingSink::scripted(|record, earlier| match (value_of(record), earlier) {
        (1, 0) | (2, _) => Answer::Fail(SinkError::rejected("HTTP 422")),
        (3, _) => Answer::Fail(SinkError::undeliverable("too large")),
        _ => Answer::Accept,
    });
    let running = start(&world, &onlooker, sink);
    running.until_phase("d", SubscriptionPhase::Streaming).await;
    world.watcher.change("c", "unseen", RecordType::Insert, 0);
    running.until("d", |status| status.delivered == 1).await;
    assert!(onlooker.take().is_empty());
    onlooker.looks_on.store(true, Ordering::SeqCst);
    use SettledAs::{DeadLettered, Delivered, Filtered, Retried};
    for (key, value, wanted) in [
        ("at-once", 0, vec![(Delivered, 1)]),
        ("unwanted", 100, vec![(Filtered, 0)]),
        ("at-second", 1, vec![(Retried, 1), (Delivered, 2)]),
        ("never", 2, vec![(Retried, 1), (DeadLettered, 2)]),
        ("too-large", 3, vec![(DeadLettered, 1)]),
    ] {
        world.watcher.change("c", key, RecordType::Insert, value);
        let count = onlooker.settled.load(Ordering::SeqCst) + wanted.len();
        running
            .until("d", |_| onlooker.settled.load(Ordering::SeqCst) == count)
            .await;
        let wanted: Vec<Seen> = wanted
            .into_iter()
            .map(|(outcome, attempt)| (key.to_owned(), outcome, attempt))
            .collect();
        assert_eq!(onlooker.take(), wanted);
    }
    running.stop().await;
}

/// What makes looking on free while nobody does: the question is asked of a batch, and not of a record.
#[tokio::test(start_paused = true)]
async fn a_host_is_asked_once_for_many_records_whether_somebody_looks_on() {
    const COUNT: u64 = 2000;
    let world = World::new();
    let onlooker = Arc::new(Onlooker::default());
    for value in 100..100 + COUNT {
        world.watcher.change("c", "k", RecordType::Modify, value);
    }
    let running = start(&world, &onlooker, RecordingSink::new());
    let all = usize::try_from(COUNT).unwrap();
    running
        .until("d", |_| onlooker.settled.load(Ordering::SeqCst) == all)
        .await;
    let asked = onlooker.asked.load(Ordering::SeqCst);
    assert!(asked <= all / 100, "asked {asked} times for {all} records");
    assert!(onlooker.take().is_empty());
    running.stop().await;
}
