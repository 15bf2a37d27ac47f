//! Suspicions about redrive and purge, as tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::{
    CollectionName, Commit, Lease, LetterSelection, OpenRequest, Opened, ProcessedId, QueueLengths, Record,
    RecordType, RetryId, Settings, SinkError, StateError, StateStore, StoredLetter, SubscriptionId,
    SubscriptionPhase, SubscriptionStart, SubscriptionState, WaitingRecord,
};
use conduit_state::MemoryStore;
use conduit_testkit::{Answer, RecordingSink};

use crate::harness::{World, collection, subscription, values_of};

fn c() -> CollectionName {
    CollectionName::new("c").unwrap()
}

fn value_of(record: &Record) -> u64 {
    let image: serde_json::Value = serde_json::from_slice(record.new_image().unwrap()).unwrap();
    image["value"].as_u64().unwrap()
}

/// A store whose purges are answered late.
#[derive(Debug)]
struct SlowPurge {
    inner: MemoryStore,
}

#[async_trait]
impl StateStore for SlowPurge {
    async fn open(&self, request: &OpenRequest) -> Result<Opened, StateError> {
        self.inner.open(request).await
    }
    async fn load(
        &self,
        lease: &Lease,
        starts: &[SubscriptionStart],
    ) -> Result<Vec<SubscriptionState>, StateError> {
        self.inner.load(lease, starts).await
    }
    async fn renew(
        &self,
        leases: &[Lease],
        time: Duration,
    ) -> Result<Vec<Result<(), StateError>>, StateError> {
        self.inner.renew(leases, time).await
    }
    async fn release(&self, lease: &Lease) -> Result<(), StateError> {
        self.inner.release(lease).await
    }
    async fn commit(&self, commits: &[Commit]) -> Vec<Result<(), StateError>> {
        self.inner.commit(commits).await
    }
    async fn waiting(
        &self,
        id: &SubscriptionId,
        ids: &[RetryId],
    ) -> Result<Vec<Option<WaitingRecord>>, StateError> {
        self.inner.waiting(id, ids).await
    }
    async fn processed(&self, id: &SubscriptionId, ids: &[ProcessedId]) -> Result<Vec<bool>, StateError> {
        self.inner.processed(id, ids).await
    }
    async fn dead_letters(
        &self,
        collection: &CollectionName,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<String>, StateError> {
        self.inner.dead_letters(collection, after, limit).await
    }
    async fn lengths(&self, ids: &[SubscriptionId]) -> Result<Vec<QueueLengths>, StateError> {
        self.inner.lengths(ids).await
    }
    async fn letters(
        &self,
        name: &CollectionName,
        selection: &LetterSelection,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<StoredLetter>, StateError> {
        self.inner.letters(name, selection, after, limit).await
    }

    async fn purge_dead_letters(
        &self,
        name: &CollectionName,
        selection: &LetterSelection,
    ) -> Result<u64, StateError> {
        let purged = self.inner.purge_dead_letters(name, selection).await;
        // The answer takes a while.
        tokio::time::sleep(Duration::from_millis(500)).await;
        purged
    }
    async fn forget(&self, id: &SubscriptionId) -> Result<(), StateError> {
        self.inner.forget(id).await
    }
    async fn forget_collection(&self, name: &CollectionName) -> Result<(), StateError> {
        self.inner.forget_collection(name).await
    }
    async fn ping(&self) -> Result<(), StateError> {
        self.inner.ping().await
    }
}

/// Dead letters do not lie in the order of their changes once one of them was redriven in vain.
#[tokio::test(start_paused = true)]
async fn dead_letters_of_a_key_are_redriven_in_the_order_of_their_changes_whatever_was_redriven_before() {
    let world = World::new();
    let refuses = Arc::new(AtomicBool::new(true));
    let sink = RecordingSink::scripted({
        let refuses = refuses.clone();
        move |_, _| match refuses.load(Ordering::SeqCst) {
            true => Answer::Fail(SinkError::rejected("HTTP 422")),
            false => Answer::Accept,
        }
    });
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 0)])]);
    for value in 1..=2 {
        world.watcher.change("c", "k", RecordType::Modify, value);
    }
    running.until("d", |status| status.dlq_length == 2).await;
    let first = LetterSelection {
        ids: Some(vec![1]),
        ..LetterSelection::default()
    };
    running.handle.redrive(&c(), first, false).await.unwrap();
    running.until("d", |status| status.dlq_length == 2).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    refuses.store(false, Ordering::SeqCst);
    let all = LetterSelection::default();
    running.handle.redrive(&c(), all, false).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    running.stop().await;
    assert!(values_of(&sink, "k").is_sorted(), "{:?}", values_of(&sink, "k"));
}

/// `1` is a dead letter, `2` is being sent, `1` is redriven, `3` queues behind `2`.
async fn redriven_behind(sink: &RecordingSink, world: &World) -> crate::harness::Running {
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    world.watcher.change("c", "k", RecordType::Modify, 1);
    running.until("d", |status| status.dlq_length == 1).await;
    world.watcher.change("c", "k", RecordType::Modify, 2);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let all = LetterSelection::default();
    let redriven = running.handle.redrive(&c(), all, false).await;
    assert_eq!(redriven.unwrap().redriven, 1);
    world.watcher.change("c", "k", RecordType::Modify, 3);
    tokio::time::sleep(Duration::from_secs(1)).await;
    running
}

fn slow_second(is_down: &Arc<AtomicBool>) -> RecordingSink {
    let is_down = is_down.clone();
    RecordingSink::scripted(move |record, before| match (value_of(record), before) {
        (1, 0) => Answer::Fail(SinkError::undeliverable("too large")),
        (2, _) => Answer::Slow(Duration::from_secs(20)),
        (100.., _) if is_down.load(Ordering::SeqCst) => Answer::Fail(SinkError::unavailable("HTTP 503")),
        _ => Answer::Accept,
    })
}

#[tokio::test(start_paused = true)]
async fn a_redriven_record_does_not_come_after_a_newer_one_that_gets_through_while_the_engine_stops() {
    let world = World::new();
    let sink = slow_second(&Arc::default());
    let running = redriven_behind(&sink, &world).await;
    running.stop().await;
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    running.stop().await;
    assert_eq!(values_of(&sink, "k"), [2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_redriven_record_does_not_come_beside_a_newer_one_when_a_hold_begins() {
    let world = World::new();
    let is_down = Arc::new(AtomicBool::new(true));
    let sink = slow_second(&is_down);
    let running = redriven_behind(&sink, &world).await;
    for key in 0..50 {
        world
            .watcher
            .change("c", &format!("o{key}"), RecordType::Modify, 100);
    }
    running
        .until("d", |status| status.phase == SubscriptionPhase::Holding)
        .await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    is_down.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(120)).await;
    running.stop().await;
    assert_eq!(values_of(&sink, "k"), [2, 3]);
}

/// A record dies while a purge is on its way: the purge did not drop it, so its key is poisoned.
#[tokio::test(start_paused = true)]
async fn a_letter_that_comes_while_others_are_purged_still_turns_stale() {
    let world = World::new();
    let store = Arc::new(SlowPurge {
        inner: world.store.clone(),
    });
    let sink = RecordingSink::scripted(|record, before| match (value_of(record), before) {
        (1, 0) => Answer::Fail(SinkError::throttled("HTTP 429", Some(Duration::from_millis(200)))),
        (0, 0) | (1, 1) => Answer::Fail(SinkError::undeliverable("too large")),
        _ => Answer::Accept,
    });
    let running = world.start_on(
        store,
        Settings::default(),
        vec![collection("c", vec![subscription("d", sink.clone(), 5)])],
    );
    world.watcher.change("c", "other", RecordType::Modify, 0);
    running.until("d", |status| status.dlq_length == 1).await;
    // On the lanes when the purge begins.
    world.watcher.change("c", "k", RecordType::Modify, 1);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let purging = {
        let handle = running.handle.clone();
        let destination = conduit_core::DestinationId::new("d").unwrap();
        tokio::spawn(async move {
            let of_it = LetterSelection {
                destination: Some(destination),
                ids: None,
            };
            handle.purge(&c(), of_it).await
        })
    };
    purging.await.unwrap().unwrap();
    running.until("d", |status| status.dlq_length == 1).await;
    world.watcher.change("c", "k", RecordType::Modify, 2);
    sink.wait_accepted(1).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let letters = world.store.dead_letters(&c(), None, 10).await.unwrap();
    running.stop().await;
    assert_eq!(letters.len(), 1);
    assert!(letters[0].contains("\"stale\":true"), "{}", letters[0]);
}
