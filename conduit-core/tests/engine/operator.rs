//! What operators do: pause, rewind, redrive, purge.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::{
    ClusterTime, CollectionName, CommandErrorKind, Delivery, LetterSelection, Record, RecordBatch,
    RecordType, Redriven, Sink, SinkError, SinkLimits, StateStore, SubscriptionPhase,
};
use conduit_testkit::{Answer, RecordingSink};

use crate::harness::{World, collection, subscription, values_of};

fn c() -> CollectionName {
    CollectionName::new("c").unwrap()
}

/// Refuses what it is told to while the flag is up.
fn refusing(values: &'static [u64]) -> (RecordingSink, Arc<AtomicBool>) {
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

#[tokio::test(start_paused = true)]
async fn a_paused_destination_gets_nothing_keeps_its_position_and_goes_on_from_it() {
    let world = World::new();
    let sink = RecordingSink::new();
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    world.watcher.change("c", "k", RecordType::Modify, 1);
    sink.wait_accepted(1).await;
    running.handle.pause(&c(), None);
    running
        .until("d", |status| status.phase == SubscriptionPhase::Paused)
        .await;
    for value in 2..10 {
        world.watcher.change("c", "k", RecordType::Modify, value);
    }
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(sink.accepted().len(), 1);
    running.handle.resume(&c(), None);
    sink.wait_accepted(9).await;
    running.stop().await;
    assert_eq!(values_of(&sink, "k"), (1..10).collect::<Vec<u64>>());
}

#[tokio::test(start_paused = true)]
async fn a_rewind_delivers_again_from_there_once_whatever_restarts_follow() {
    let world = World::new();
    let sink = RecordingSink::new();
    let spec = || vec![collection("c", vec![subscription("d", sink.clone(), 5)])];
    let running = world.start(spec());
    for value in 1..=6 {
        world.watcher.change("c", "k", RecordType::Modify, value);
    }
    sink.wait_accepted(6).await;
    running.handle.rewind(&c(), None, ClusterTime::new(4, 0));
    sink.wait_accepted(9).await;
    running.until("d", |status| status.lag_seconds == Some(0.0)).await;
    running.stop().await;
    assert_eq!(values_of(&sink, "k"), [1, 2, 3, 4, 5, 6, 4, 5, 6]);
    let running = world.start(spec());
    world.watcher.change("c", "k", RecordType::Modify, 7);
    sink.wait_accepted(10).await;
    running.stop().await;
    assert_eq!(values_of(&sink, "k")[9..], [7]);
}

#[tokio::test(start_paused = true)]
async fn a_rewind_keeps_what_waits_from_before_and_drops_what_waits_from_after() {
    let world = World::new();
    let (sink, refuses) = refusing(&[1, 5]);
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 20)])]);
    for value in 1..=6 {
        let key = if value % 4 == 1 {
            format!("bad{value}")
        } else {
            "good".to_owned()
        };
        world.watcher.change("c", &key, RecordType::Modify, value);
    }
    running.until("d", |status| status.retry_length == 2).await;
    running.handle.rewind(&c(), None, ClusterTime::new(4, 0));
    running.until("d", |status| status.generation > 0).await;
    refuses.store(false, Ordering::SeqCst);
    running
        .until("d", |status| {
            status.retry_length == 0 && status.lag_seconds == Some(0.0)
        })
        .await;
    running.stop().await;
    assert_eq!(values_of(&sink, "good"), [2, 3, 4, 6, 4, 6]);
    assert_eq!(
        (values_of(&sink, "bad1"), values_of(&sink, "bad5")),
        (vec![1], vec![5])
    );
}

async fn dead(world: &World) -> Vec<serde_json::Value> {
    let letters = world.store.dead_letters(&c(), None, 100).await.unwrap();
    letters
        .iter()
        .map(|letter| serde_json::from_str(letter).unwrap())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_sent_again_in_order_before_what_follows_of_their_key() {
    let world = World::new();
    let (sink, refuses) = refusing(&[1, 2, 3]);
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 0)])]);
    for value in 1..=3 {
        world.watcher.change("c", "k", RecordType::Modify, value);
    }
    running.until("d", |status| status.dlq_length == 3).await;
    refuses.store(false, Ordering::SeqCst);
    let redriven = running
        .handle
        .redrive(&c(), LetterSelection::default(), false)
        .await;
    assert_eq!(
        redriven.unwrap(),
        Redriven {
            redriven: 3,
            stale: 0
        }
    );
    world.watcher.change("c", "k", RecordType::Modify, 4);
    sink.wait_accepted(4).await;
    running.until("d", |status| status.retry_length == 0).await;
    assert_eq!(running.status("d").unwrap().dlq_length, 0);
    running.stop().await;
    assert_eq!(values_of(&sink, "k"), [1, 2, 3, 4]);
    assert!(dead(&world).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_whose_document_has_a_newer_record_acknowledged_is_stale() {
    let world = World::new();
    let (sink, refuses) = refusing(&[1]);
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 0)])]);
    world.watcher.change("c", "k", RecordType::Modify, 1);
    running.until("d", |status| status.dlq_length == 1).await;
    world.watcher.change("c", "k", RecordType::Modify, 2);
    sink.wait_accepted(1).await;
    refuses.store(false, Ordering::SeqCst);
    let all = LetterSelection::default;
    let redriven = running.handle.redrive(&c(), all(), false).await.unwrap();
    assert_eq!(
        redriven,
        Redriven {
            redriven: 0,
            stale: 1
        }
    );
    assert_eq!(dead(&world).await[0]["stale"], true);
    let redriven = running.handle.redrive(&c(), all(), true).await.unwrap();
    assert_eq!(
        redriven,
        Redriven {
            redriven: 1,
            stale: 0
        }
    );
    sink.wait_accepted(2).await;
    running.stop().await;
    assert_eq!(values_of(&sink, "k"), [2, 1]);
}

/// A redriven record has all its attempts, and is a dead letter again after them.
#[tokio::test(start_paused = true)]
async fn a_redriven_record_that_is_refused_again_is_a_dead_letter_again() {
    let world = World::new();
    let (sink, _) = refusing(&[1]);
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 2)])]);
    world.watcher.change("c", "k", RecordType::Modify, 1);
    running.until("d", |status| status.dlq_length == 1).await;
    running
        .handle
        .redrive(&c(), LetterSelection::default(), false)
        .await
        .unwrap();
    assert!(dead(&world).await.is_empty());
    running.until("d", |status| status.dlq_length == 1).await;
    running.stop().await;
    let letters = dead(&world).await;
    assert_eq!(
        (&letters[0]["attempts"], &letters[0]["id"]),
        (&3.into(), &2.into())
    );
    assert_eq!(sink.arrived().len(), 6);
}

fn value_of(record: &Record) -> u64 {
    let image: serde_json::Value = serde_json::from_slice(record.new_image().unwrap()).unwrap();
    image["value"].as_u64().unwrap()
}

/// Takes five seconds for every answer.
#[derive(Debug, Clone)]
struct Slow {
    inner: RecordingSink,
}

#[async_trait]
impl Sink for Slow {
    fn limits(&self) -> SinkLimits {
        self.inner.limits()
    }

    async fn deliver(&self, batch: &RecordBatch) -> Result<Delivery, SinkError> {
        tokio::time::sleep(Duration::from_secs(5)).await;
        self.inner.deliver(batch).await
    }
}

/// The newer record is on its way while the older one is redriven: they must not meet.
#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_is_redriven_while_a_newer_record_is_on_its_way_does_not_come_after_it() {
    for newer_gets_through in [true, false] {
        let world = World::new();
        let sink = Slow {
            inner: RecordingSink::scripted(move |record, before| match (value_of(record), before) {
                (1, 0) => Answer::Fail(SinkError::undeliverable("too large")),
                (2, 0) if !newer_gets_through => Answer::Fail(SinkError::rejected("HTTP 422")),
                _ => Answer::Accept,
            }),
        };
        let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
        world.watcher.change("c", "k", RecordType::Modify, 1);
        running.until("d", |status| status.dlq_length == 1).await;
        world.watcher.change("c", "k", RecordType::Modify, 2);
        tokio::time::sleep(Duration::from_secs(2)).await;
        let redriven = running
            .handle
            .redrive(&c(), LetterSelection::default(), false)
            .await;
        assert_eq!(redriven.unwrap().redriven, 1);
        running
            .until("d", |status| {
                status.retry_length == 0 && status.lag_seconds == Some(0.0)
            })
            .await;
        running.stop().await;
        if newer_gets_through {
            assert_eq!(values_of(&sink.inner, "k"), [2]);
            assert_eq!(dead(&world).await[0]["stale"], true);
        } else {
            // The newer one, poisoned by the dead letter that was there when it was sent, may end as one itself.
            let values = values_of(&sink.inner, "k");
            assert!(values == [1] || values == [1, 2], "{values:?}");
        }
    }
}

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
    assert!(dead(&world).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn commands_are_refused_by_who_does_not_hold_the_lease_or_while_a_destination_rests() {
    let world = World::new();
    let sink = RecordingSink::new();
    let running = world.start(vec![collection("c", vec![subscription("d", sink, 5)])]);
    let other = CollectionName::new("other").unwrap();
    let refused = running
        .handle
        .redrive(&other, LetterSelection::default(), false)
        .await;
    assert_eq!(refused.unwrap_err().kind(), CommandErrorKind::NotHeld);
    running.until("d", |status| status.lag_seconds.is_some()).await;
    running.handle.pause(&c(), None);
    running
        .until("d", |status| status.phase == SubscriptionPhase::Paused)
        .await;
    let refused = running
        .handle
        .redrive(&c(), LetterSelection::default(), false)
        .await;
    assert_eq!(refused.unwrap_err().kind(), CommandErrorKind::AtRest);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn when_there_is_no_room_for_dead_letters_nothing_is_taken_until_there_is() {
    let world = World::new();
    let (sink, refuses) = refusing(&[0, 1, 2, 3, 4]);
    let settings = conduit_core::Settings {
        seed: Some(1),
        max_dead_letters: 3,
        ..conduit_core::Settings::default()
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
    running
        .until("d", |status| status.phase == SubscriptionPhase::Halted)
        .await;
    assert_eq!(running.status("d").unwrap().reason.unwrap(), "dead_letters_full");
    for value in 3..9 {
        world
            .watcher
            .change("c", &format!("k{value}"), RecordType::Modify, value);
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((sink.arrived().len(), dead(&world).await.len()), (3, 3));
    refuses.store(false, Ordering::SeqCst);
    let redriven = running
        .handle
        .redrive(&c(), LetterSelection::default(), false)
        .await;
    assert_eq!(redriven.unwrap().redriven, 3);
    sink.wait_accepted(9).await;
    running.stop().await;
}

/// Sent behind them it would bring back an old state.
#[tokio::test(start_paused = true)]
async fn a_dead_letter_whose_document_has_newer_records_that_wait_stays_where_it_is() {
    let world = World::new();
    let is_down = Arc::new(AtomicBool::new(false));
    let sink = RecordingSink::scripted({
        let is_down = is_down.clone();
        move |record, before| match (value_of(record), before) {
            (1, 0) => Answer::Fail(SinkError::undeliverable("too large")),
            _ if is_down.load(Ordering::SeqCst) => Answer::Fail(SinkError::unavailable("HTTP 503")),
            _ => Answer::Accept,
        }
    });
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    world.watcher.change("c", "k", RecordType::Modify, 1);
    running.until("d", |status| status.dlq_length == 1).await;
    is_down.store(true, Ordering::SeqCst);
    for other in 0..20 {
        world
            .watcher
            .change("c", &format!("o{other}"), RecordType::Modify, 100);
    }
    running
        .until("d", |status| status.phase == SubscriptionPhase::Holding)
        .await;
    // A trial parks it: during a hold a failure ends nothing, not even of a key with dead letters.
    world.watcher.change("c", "k", RecordType::Modify, 2);
    let waiting = running.status("d").unwrap().retry_length;
    running.until("d", |status| status.retry_length > waiting).await;
    let redriven = running
        .handle
        .redrive(&c(), LetterSelection::default(), false)
        .await;
    assert_eq!(redriven.unwrap(), Redriven::default());
    is_down.store(false, Ordering::SeqCst);
    sink.wait_accepted(21).await;
    running.stop().await;
    assert_eq!(values_of(&sink, "k"), [2]);
    assert_eq!(dead(&world).await[0]["stale"], true);
}
