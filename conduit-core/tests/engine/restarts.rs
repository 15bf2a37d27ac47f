//! An engine is stopped, killed, interrupted or waits for a lease, and goes on where it stood.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::{
    Delivery, RecordBatch, RecordType, Sink, SinkError, SinkLimits, SubscriptionPhase, WatchError,
};
use conduit_testkit::{Answer, RecordingSink};

use crate::harness::{World, collection, subscription, values_of};

#[tokio::test(start_paused = true)]
async fn a_graceful_stop_loses_nothing_and_repeats_nothing() {
    let world = World::new();
    let sink = RecordingSink::scripted(|_, _| Answer::Slow(Duration::from_millis(3)));
    let mut written = 0;
    for round in 0..10 {
        let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
        for _ in 0..100 {
            world
                .watcher
                .change("c", &format!("k{}", written % 13), RecordType::Modify, written);
            written += 1;
        }
        sink.wait_accepted(round * 100 + 50).await;
        running.stop().await;
    }
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    sink.wait_accepted(1000).await;
    running.until("d", |status| status.lag_seconds == Some(0.0)).await;
    running.stop().await;
    let mut accepted = sink.accepted();
    assert_eq!(accepted.len(), 1000, "nothing twice");
    accepted.sort_unstable();
    accepted.dedup();
    assert_eq!(accepted.len(), 1000, "nothing lost");
}

#[tokio::test(start_paused = true)]
async fn a_crash_loses_nothing_and_repeats_in_order_only_what_was_not_committed() {
    let world = World::new();
    let sink = RecordingSink::scripted(|_, _| Answer::Slow(Duration::from_millis(3)));
    for value in 0..300 {
        world
            .watcher
            .change("c", &format!("k{}", value % 7), RecordType::Modify, value);
    }
    for round in 1..=5 {
        let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
        sink.wait_accepted(round * 40).await;
        running.kill().await;
    }
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    running.until("d", |status| status.lag_seconds == Some(0.0)).await;
    running.stop().await;
    for key in 0..7 {
        let mut highest = None;
        let mut seen = std::collections::BTreeSet::new();
        for value in values_of(&sink, &format!("k{key}")) {
            if seen.insert(value) {
                assert!(
                    highest < Some(value),
                    "a first delivery of {value} after {highest:?}"
                );
                highest = Some(value);
            }
        }
        assert_eq!(
            seen.len() as u64,
            (300_u64 - key).div_ceil(7),
            "nothing of k{key} is lost"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_hangs_does_not_make_settled_ones_come_again_after_a_crash() {
    let world = World::new();
    let sink = RecordingSink::scripted(|record, _| {
        if record.event_id().as_str() == "event-1" {
            Answer::Hang
        } else {
            Answer::Accept
        }
    });
    for value in 0..500 {
        world
            .watcher
            .change("c", &format!("k{value}"), RecordType::Insert, value);
    }
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    sink.wait_accepted(400).await;
    // Longer than the time between two commits, shorter than the time-out.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = sink.accepted().len();
    running.kill().await;
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        sink.accepted().len(),
        before,
        "what was settled behind the hanging record came again"
    );
    running.kill().await;
}

#[tokio::test(start_paused = true)]
async fn parked_keys_stay_parked_over_a_restart() {
    let world = World::new();
    let healthy = Arc::new(AtomicBool::new(false));
    let sink = RecordingSink::scripted({
        let healthy = Arc::clone(&healthy);
        move |_, _| {
            if healthy.load(Ordering::Relaxed) {
                Answer::Accept
            } else {
                Answer::Fail(SinkError::unavailable("down"))
            }
        }
    });
    let specs = || vec![collection("c", vec![subscription("d", sink.clone(), 5)])];
    for value in 0..3 {
        world.watcher.change("c", "k", RecordType::Modify, value);
    }
    let running = world.start(specs());
    running.until("d", |status| status.retry_length == 3).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    running.kill().await;
    healthy.store(true, Ordering::Relaxed);
    // Read at once after the start, this one must find its key parked.
    world.watcher.change("c", "k", RecordType::Modify, 3);
    let running = world.start(specs());
    sink.wait_accepted(4).await;
    assert_eq!(values_of(&sink, "k"), [0, 1, 2, 3]);
    running.until("d", |status| status.retry_length == 0).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn attempts_are_counted_over_restarts() {
    let world = World::new();
    let sink = RecordingSink::scripted(|_, _| Answer::Fail(SinkError::rejected("never")));
    world.watcher.change("c", "k", RecordType::Insert, 0);
    for _ in 0..4 {
        let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
        tokio::time::sleep(Duration::from_secs(4)).await;
        running.stop().await;
    }
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    running.until("d", |status| status.dlq_length == 1).await;
    running.stop().await;
    assert_eq!(sink.arrived().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_fails_is_opened_again_where_it_stopped() {
    let world = World::new();
    let sink = RecordingSink::new();
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    for value in 0..10 {
        world.watcher.change("c", "k", RecordType::Modify, value);
        if value % 3 == 0 {
            world.watcher.fail_next_read(WatchError::unavailable("planted"));
            world.watcher.fail_next_open(WatchError::unavailable("planted"));
        }
    }
    sink.wait_accepted(10).await;
    assert_eq!(values_of(&sink, "k"), (0..10).collect::<Vec<u64>>());
    running.stop().await;
    assert_eq!(sink.accepted().len(), 10);
}

#[tokio::test(start_paused = true)]
async fn lost_history_halts_and_says_so() {
    let world = World::new();
    world.watcher.fail_next_open(WatchError::history_lost("planted"));
    let sink = RecordingSink::new();
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    running
        .until("d", |status| {
            status.phase == SubscriptionPhase::Halted && status.reason.as_deref() == Some("history_lost")
        })
        .await;
    world.watcher.change("c", "k", RecordType::Insert, 0);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(sink.arrived().is_empty(), "never a silent skip");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_second_worker_waits_for_the_lease_and_takes_over_when_it_is_given_back() {
    let world = World::new();
    let (first_sink, second_sink) = (RecordingSink::new(), RecordingSink::new());
    let first = world.start(vec![collection(
        "c",
        vec![subscription("d", first_sink.clone(), 5)],
    )]);
    first.until_phase("d", SubscriptionPhase::Streaming).await;
    let second = world.start(vec![collection(
        "c",
        vec![subscription("d", second_sink.clone(), 5)],
    )]);
    second.until_phase("d", SubscriptionPhase::WaitingForLease).await;
    world.watcher.change("c", "k", RecordType::Insert, 0);
    first_sink.wait_accepted(1).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    first.stop().await;
    world.watcher.change("c", "k", RecordType::Modify, 1);
    second_sink.wait_accepted(1).await;
    assert_eq!(
        values_of(&second_sink, "k"),
        [1],
        "the second goes on where the first stood"
    );
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_lease_of_a_worker_that_died_is_taken_over_when_it_expires() {
    let world = World::new();
    let (first_sink, second_sink) = (RecordingSink::new(), RecordingSink::new());
    let first = world.start(vec![collection("c", vec![subscription("d", first_sink, 5)])]);
    first.until_phase("d", SubscriptionPhase::Streaming).await;
    first.kill().await;
    let second = world.start(vec![collection(
        "c",
        vec![subscription("d", second_sink.clone(), 5)],
    )]);
    let start = tokio::time::Instant::now();
    second.until_phase("d", SubscriptionPhase::Streaming).await;
    assert!(
        start.elapsed() <= Duration::from_secs(11),
        "taken over after {:?}",
        start.elapsed()
    );
    world.watcher.change("c", "k", RecordType::Insert, 0);
    second_sink.wait_accepted(1).await;
    second.stop().await;
}

/// It was committed only when the last call in hand had ended, so a kill in between repeated it.
#[tokio::test(start_paused = true)]
async fn what_is_acknowledged_while_a_stop_waits_for_a_slow_answer_is_not_repeated_after_a_kill() {
    let world = World::new();
    let sink = RecordingSink::scripted(|record, before| {
        let keys = std::str::from_utf8(record.keys()).unwrap();
        match (keys.contains("slow"), before) {
            (true, 0) => Answer::Hang,
            _ => Answer::Slow(Duration::from_secs(1)),
        }
    });
    let spec = || vec![collection("c", vec![subscription("d", sink.clone(), 5)])];
    let mut running = world.start(spec());
    running.until("d", |status| status.lag_seconds.is_some()).await;
    world.watcher.change("c", "slow", RecordType::Insert, 1);
    world.watcher.change("c", "quick", RecordType::Insert, 2);
    tokio::time::sleep(Duration::from_millis(500)).await;
    running.begin_stop();
    sink.wait_accepted(1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    running.kill().await;
    let running = world.start(spec());
    sink.wait_accepted(2).await;
    running.until("d", |status| status.lag_seconds == Some(0.0)).await;
    running.stop().await;
    assert_eq!(
        (values_of(&sink, "quick"), values_of(&sink, "slow")),
        (vec![2], vec![1])
    );
}

/// Panics the first time that it is asked for its limits.
#[derive(Debug, Default)]
struct PanicsOnce(AtomicBool);

#[async_trait]
impl Sink for PanicsOnce {
    fn limits(&self) -> SinkLimits {
        assert!(self.0.swap(true, Ordering::SeqCst), "planted");
        SinkLimits::default()
    }

    async fn deliver(&self, _batch: &RecordBatch) -> Result<Delivery, SinkError> {
        Ok(Delivery::complete())
    }
}

#[tokio::test(start_paused = true)]
async fn a_collection_whose_task_died_is_started_again() {
    let world = World::new();
    let sink = RecordingSink::new();
    world.watcher.change("c", "k", RecordType::Modify, 1);
    let both = vec![
        subscription("a", PanicsOnce::default(), 5),
        subscription("d", sink.clone(), 5),
    ];
    let running = world.start(vec![collection("c", both)]);
    sink.wait_accepted(1).await;
    running.stop().await;
}
