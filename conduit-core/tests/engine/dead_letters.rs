//! Dead letters are purged, and there is only so much room for them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::{
    Delivery, DestinationId, LetterSelection, RecordBatch, RecordType, SameKey, Settings, Sink, SinkError,
    SinkLimits, SubscriptionPhase,
};
use conduit_testkit::{Answer, RecordingSink};
use tokio::sync::Notify;

use crate::faulty_store::FaultyStore;
use crate::harness::{World, c, collection, refusing, subscription, value_of, values_of};

#[tokio::test(start_paused = true)]
async fn purged_dead_letters_are_gone_and_poison_nothing() {
    let world = World::new();
    let (sink, _) = refusing(&[1, 2]);
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 0)])]);
    world.watcher.change("c", "k", RecordType::Modify, 1);
    world.watcher.change("c", "l", RecordType::Modify, 2);
    running.until("d", |status| status.dlq_length == 2).await;
    let one = LetterSelection {
        ids: Some(vec![1]),
        ..LetterSelection::default()
    };
    assert_eq!(running.handle.purge(&c(), one).await.unwrap(), 1);
    assert_eq!(
        running
            .handle
            .purge(&c(), LetterSelection::default())
            .await
            .unwrap(),
        1
    );
    running.until("d", |status| status.dlq_length == 0).await;
    running.stop().await;
    assert!(world.dead_letters().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_purge_is_seen_in_the_status_of_a_paused_destination() {
    let world = World::new();
    let sink = RecordingSink::scripted(|_, _| Answer::Fail(SinkError::undeliverable("too large")));
    let running = world.start(vec![collection("c", vec![subscription("d", sink, 5)])]);
    world.watcher.change("c", "k", RecordType::Insert, 1);
    running.until("d", |status| status.dlq_length == 1).await;
    running.handle.pause(&c(), None);
    running.until_phase("d", SubscriptionPhase::Paused).await;
    let purged = running.handle.purge(&c(), LetterSelection::default()).await;
    assert_eq!(purged.unwrap(), 1);
    assert_eq!(running.status("d").unwrap().dlq_length, 0);
}

/// A record dies while a purge is on its way: the purge did not drop it, so its key is poisoned.
#[tokio::test(start_paused = true)]
async fn a_letter_that_comes_while_others_are_purged_still_turns_stale() {
    let world = World::new();
    let store = FaultyStore::new(world.store.clone());
    store.answer_purges_after(Duration::from_millis(500));
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
        let destination = DestinationId::new("d").unwrap();
        tokio::spawn(async move {
            let of_it = LetterSelection {
                destination: Some(destination),
                ids: None,
            };
            handle.purge(&c(), of_it).await
        })
    };
    assert_eq!(purging.await.unwrap().unwrap(), 1);
    assert_eq!(
        sink.arrived().len(),
        3,
        "the record died before the purge was answered"
    );
    running.until("d", |status| status.dlq_length == 1).await;
    world.watcher.change("c", "k", RecordType::Modify, 2);
    sink.wait_accepted(1).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let letters = world.dead_letters().await;
    running.stop().await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0]["stale"], true);
}

#[tokio::test(start_paused = true)]
async fn when_there_is_no_room_for_dead_letters_nothing_is_taken_until_there_is() {
    let world = World::new();
    let (sink, refuses) = refusing(&[0, 1, 2, 3, 4]);
    let settings = Settings {
        seed: Some(1),
        max_dead_letters: 3,
        ..Settings::default()
    };
    let running = world.start_with(
        settings,
        vec![collection("c", vec![subscription("d", sink.clone(), 0)])],
    );
    for value in 0..3 {
        world
            .watcher
            .change("c", &format!("k{value}"), RecordType::Modify, value);
    }
    running.until_phase("d", SubscriptionPhase::Halted).await;
    assert_eq!(running.status("d").unwrap().reason.unwrap(), "dead_letters_full");
    for value in 3..9 {
        world
            .watcher
            .change("c", &format!("k{value}"), RecordType::Modify, value);
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((sink.arrived().len(), world.dead_letters().await.len()), (3, 3));
    refuses.store(false, Ordering::SeqCst);
    let redriven = running
        .handle
        .redrive(&c(), LetterSelection::default(), false)
        .await;
    assert_eq!(redriven.unwrap().redriven, 3);
    sink.wait_accepted(9).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_is_paused_while_there_is_no_room_for_dead_letters_says_that_it_is_paused() {
    let world = World::new();
    let sink = RecordingSink::scripted(|_, _| Answer::Fail(SinkError::undeliverable("too large")));
    let settings = Settings {
        seed: Some(1),
        max_dead_letters: 1,
        ..Settings::default()
    };
    let running = world.start_with(settings, vec![collection("c", vec![subscription("d", sink, 5)])]);
    world.watcher.change("c", "k", RecordType::Insert, 1);
    running.until_phase("d", SubscriptionPhase::Halted).await;
    running.handle.pause(&c(), None);
    tokio::time::sleep(Duration::from_secs(5)).await;
    running
        .handle
        .purge(&c(), LetterSelection::default())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let status = running.status("d").unwrap();
    assert_eq!((status.phase, status.reason), (SubscriptionPhase::Paused, None));
}

/// What follows a dead letter in the same chain got through before the lanes knew of the letter: it stayed fresh, and a
/// redrive sent it after the newer record.
#[tokio::test(start_paused = true)]
async fn a_waiting_record_that_is_given_up_is_stale_once_those_that_waited_behind_it_got_through() {
    for same_key in [SameKey::InOrder, SameKey::OncePerCall] {
        let world = World::new();
        let limits = SinkLimits {
            max_records: 10,
            concurrency: 1,
            same_key,
            ..SinkLimits::default()
        };
        let sink = RecordingSink::with_limits(limits, |record, before| match (value_of(record), before) {
            (1, 0) => Answer::Fail(SinkError::rejected("HTTP 422")),
            (2, 0 | 1) => Answer::Fail(SinkError::undeliverable("too large")),
            _ => Answer::Accept,
        });
        world.modify(0..1, 1..4);
        let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
        running.until_through("d").await;
        let all = LetterSelection::default();
        let redriven = running.handle.redrive(&c(), all, false).await.unwrap();
        running.until_through("d").await;
        running.stop().await;
        assert_eq!((redriven.redriven, redriven.stale), (0, 1), "{same_key:?}");
        assert_eq!(world.dead_letters().await[0]["stale"], true);
        let values = values_of(&sink, "k0");
        assert!(!values.contains(&2), "{values:?}");
    }
}

/// Keeps what it has until it is let go.
#[derive(Debug, Clone)]
struct Waiting {
    inner: RecordingSink,
    let_go: Arc<Notify>,
}

#[async_trait]
impl Sink for Waiting {
    fn limits(&self) -> SinkLimits {
        self.inner.limits()
    }

    async fn deliver(&self, batch: &RecordBatch) -> Result<Delivery, SinkError> {
        if value_of(&batch.records()[0]) == 1 {
            self.let_go.notified().await;
        }
        self.inner.deliver(batch).await
    }
}

/// The purge begins when the record has died and the engine was not told yet: its key was not poisoned any more, and the
/// letter stayed fresh.
#[tokio::test(start_paused = true)]
async fn a_letter_that_is_not_told_yet_when_others_are_purged_still_turns_stale() {
    let world = World::new();
    let store = FaultyStore::new(world.store.clone());
    let sink = Waiting {
        inner: RecordingSink::scripted(|record, _| match value_of(record) {
            1 => Answer::Fail(SinkError::undeliverable("too large")),
            _ => Answer::Accept,
        }),
        let_go: Arc::default(),
    };
    let running = world.start_on(
        store.clone(),
        Settings::default(),
        vec![collection("c", vec![subscription("d", sink.clone(), 5)])],
    );
    world.watcher.change("c", "k", RecordType::Modify, 1);
    tokio::time::sleep(Duration::from_secs(1)).await;
    // The purge waits for a commit, which ends at the moment when the record dies.
    store.hold_next_commits();
    world.watcher.change("c", "other", RecordType::Modify, 0);
    store.until_held().await;
    let handle = running.handle.clone();
    let purging = tokio::spawn(async move { handle.purge(&c(), LetterSelection::default()).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    sink.let_go.notify_one();
    store.let_go();
    assert_eq!(purging.await.unwrap().unwrap(), 0);
    running.until("d", |status| status.dlq_length == 1).await;
    world.watcher.change("c", "k", RecordType::Modify, 2);
    running.until("d", |status| status.delivered == 2).await;
    running.stop().await;
    assert_eq!(world.dead_letters().await[0]["stale"], true);
}
