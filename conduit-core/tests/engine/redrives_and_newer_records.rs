//! A dead letter is redriven while newer records of its document wait or are on their way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::{
    Delivery, LetterSelection, RecordBatch, RecordType, Redriven, Settings, Sink, SinkError, SinkLimits,
    SubscriptionPhase,
};
use conduit_testkit::{Answer, RecordingSink};

use crate::harness::{Running, World, c, collection, repeated, subscription, value_of, values_of};
use crate::outage::Outage;

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
        running.until_through("d").await;
        running.stop().await;
        if newer_gets_through {
            assert_eq!(values_of(&sink.inner, "k"), [2]);
            assert_eq!(world.dead_letters().await[0]["stale"], true);
        } else {
            // The newer one, poisoned by the dead letter that was there when it was sent, may end as one itself.
            let values = values_of(&sink.inner, "k");
            assert!(values == [1] || values == [1, 2], "{values:?}");
        }
    }
}

/// Sent behind them it would bring back an old state.
#[tokio::test(start_paused = true)]
async fn a_dead_letter_whose_document_has_newer_records_that_wait_stays_where_it_is() {
    let world = World::new();
    let outage = Outage::default();
    let sink = RecordingSink::scripted({
        let outage = outage.clone();
        move |record, before| match (value_of(record), before) {
            (1, 0) => Answer::Fail(SinkError::undeliverable("too large")),
            _ if outage.is_down() => Answer::Fail(SinkError::unavailable("HTTP 503")),
            _ => Answer::Accept,
        }
    });
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    world.watcher.change("c", "k", RecordType::Modify, 1);
    running.until("d", |status| status.dlq_length == 1).await;
    outage.begins();
    for other in 0..20 {
        world
            .watcher
            .change("c", &format!("o{other}"), RecordType::Modify, 100);
    }
    running.until_phase("d", SubscriptionPhase::Holding).await;
    // A trial parks it: during a hold a failure ends nothing, not even of a key with dead letters.
    world.watcher.change("c", "k", RecordType::Modify, 2);
    let waiting = running.status("d").unwrap().retry_length;
    running.until("d", |status| status.retry_length > waiting).await;
    let redriven = running
        .handle
        .redrive(&c(), LetterSelection::default(), false)
        .await;
    assert_eq!(redriven.unwrap(), Redriven::default());
    outage.ends();
    sink.wait_accepted(21).await;
    running.stop().await;
    assert_eq!(values_of(&sink, "k"), [2]);
    assert_eq!(world.dead_letters().await[0]["stale"], true);
}

/// `1` is a dead letter, `2` is being sent, `1` is redriven, `3` queues behind `2`.
async fn redriven_behind(sink: &RecordingSink, world: &World) -> Running {
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

/// Gives `1` up at its first attempt and takes `2` slowly; values from 100 on fail while the destination is down.
fn slow_second(outage: &Outage) -> RecordingSink {
    let outage = outage.clone();
    RecordingSink::scripted(move |record, before| match (value_of(record), before) {
        (1, 0) => Answer::Fail(SinkError::undeliverable("too large")),
        (2, _) => Answer::Slow(Duration::from_secs(20)),
        (100.., _) if outage.is_down() => Answer::Fail(SinkError::unavailable("HTTP 503")),
        _ => Answer::Accept,
    })
}

#[tokio::test(start_paused = true)]
async fn a_redriven_record_does_not_come_after_a_newer_one_that_gets_through_while_the_engine_stops() {
    let world = World::new();
    let sink = slow_second(&Outage::default());
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
    let outage = Outage::default();
    outage.begins();
    let sink = slow_second(&outage);
    let running = redriven_behind(&sink, &world).await;
    for key in 0..50 {
        world
            .watcher
            .change("c", &format!("o{key}"), RecordType::Modify, 100);
    }
    running.until_phase("d", SubscriptionPhase::Holding).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    outage.ends();
    tokio::time::sleep(Duration::from_secs(120)).await;
    running.stop().await;
    assert_eq!(values_of(&sink, "k"), [2, 3]);
}

/// Letters of one key on two pages of a redrive, and a new record of the key between them, while so many slow calls are
/// in hand.
async fn redrive_over_two_pages(slow_calls: u64) -> RecordingSink {
    let world = World::new();
    let refuses = Arc::new(AtomicBool::new(true));
    let limits = SinkLimits {
        concurrency: 8,
        ..SinkLimits::default()
    };
    let sink = RecordingSink::with_limits(limits, {
        let refuses = refuses.clone();
        move |record, _| match (refuses.load(Ordering::SeqCst), value_of(record)) {
            (true, _) => Answer::Fail(SinkError::rejected("HTTP 422")),
            (false, 1) => Answer::Slow(Duration::from_secs(5)),
            (false, 77) => Answer::Slow(Duration::from_secs(1)),
            _ => Answer::Accept,
        }
    });
    let settings = Settings {
        seed: Some(1),
        commit_interval: Duration::from_secs(1),
        ..Settings::default()
    };
    let running = world.start_with(
        settings,
        vec![collection("c", vec![subscription("d", sink.clone(), 0)])],
    );
    world.watcher.change("c", "k", RecordType::Modify, 1);
    for other in 0..120 {
        world
            .watcher
            .change("c", &format!("o{other}"), RecordType::Modify, 50);
    }
    world.watcher.change("c", "k", RecordType::Modify, 2);
    running.until("d", |status| status.dlq_length == 122).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    refuses.store(false, Ordering::SeqCst);
    // The next commit has to wait for a second.
    world.watcher.change("c", "warm", RecordType::Modify, 50);
    sink.wait_accepted(1).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    if slow_calls > 0 {
        for other in 0..slow_calls {
            world
                .watcher
                .change("c", &format!("p{other}"), RecordType::Modify, 77);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let redriven = {
        let handle = running.handle.clone();
        tokio::spawn(async move { handle.redrive(&c(), LetterSelection::default(), false).await })
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    world.watcher.change("c", "k", RecordType::Modify, 9);
    assert_eq!(redriven.await.unwrap().unwrap().redriven, 122);
    running.until_through("d").await;
    running.stop().await;
    sink
}

#[tokio::test(start_paused = true)]
async fn a_redrive_of_several_pages_keeps_the_order_of_a_key_that_gets_a_new_record_meanwhile() {
    let sink = redrive_over_two_pages(0).await;
    assert_eq!(values_of(&sink, "k"), [1, 2, 9]);
}

#[tokio::test(start_paused = true)]
async fn a_redrive_of_several_pages_sends_nothing_twice_while_a_newer_record_waits_in_a_lane() {
    // Enough for all lanes.
    let sink = redrive_over_two_pages(18).await;
    assert_eq!(values_of(&sink, "k"), [1, 2, 9]);
    assert!(repeated(&sink).is_empty(), "{:?}", repeated(&sink));
}
