//! A destination that fails as a whole is held.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use conduit_core::{RecordType, SinkError, SinkErrorKind, SinkLimits, SubscriptionPhase};
use conduit_testkit::{Answer, RecordingSink};

use crate::harness::{World, collection, key_of, repeated, subscription, values_of};
use crate::outage::Outage;

fn assert_complete(sink: &RecordingSink, keys: std::ops::Range<u64>, values: std::ops::Range<u64>) {
    for key in keys {
        let wanted: Vec<u64> = values.clone().collect();
        assert_eq!(values_of(sink, &format!("k{key}")), wanted, "k{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_counts_no_attempts_gives_nothing_up_and_everything_follows_once_and_in_order() {
    let (world, outage) = (World::new(), Outage::default());
    let sink = outage.sink(SinkErrorKind::Unavailable);
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    running.until("d", |status| status.lag_seconds.is_some()).await;
    outage.begins();
    world.modify(0..200, 0..20);
    running.until_phase("d", SubscriptionPhase::Holding).await;
    let status = running.status("d").unwrap();
    assert!(status.reason.unwrap().contains("HTTP 503"));
    tokio::time::sleep(Duration::from_secs(15)).await;
    let (asked, waiting) = (outage.asked(), running.status("d").unwrap().retry_length);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(
        outage.asked() - asked <= 70,
        "{} probes in an hour",
        outage.asked() - asked
    );
    let status = running.status("d").unwrap();
    assert_eq!((status.phase, status.dlq_length), (SubscriptionPhase::Holding, 0));
    assert!(
        status.retry_length <= waiting + 70 && waiting <= 120,
        "{waiting} then {}",
        status.retry_length
    );
    outage.ends();
    sink.wait_accepted(4000).await;
    running
        .until("d", |status| {
            status.phase == SubscriptionPhase::Streaming && status.lag_seconds == Some(0.0)
        })
        .await;
    running.stop().await;
    assert_complete(&sink, 0..200, 0..20);
}

#[tokio::test(start_paused = true)]
async fn records_that_are_bad_all_along_are_the_only_dead_letters_of_an_outage() {
    for kind in [SinkErrorKind::Unavailable, SinkErrorKind::Rejected] {
        let (world, outage) = (World::new(), Outage::default());
        let down = outage.clone();
        let sink = RecordingSink::scripted(move |record, _| {
            if down.is_down() {
                Answer::Fail(SinkError::unavailable("HTTP 503"))
            } else if key_of(record).starts_with("bad") {
                Answer::Fail(SinkError::new(kind, "HTTP 500"))
            } else {
                Answer::Accept
            }
        });
        let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
        outage.begins();
        for number in 0..7 {
            world
                .watcher
                .change("c", &format!("bad{number}"), RecordType::Insert, number);
            world.modify(0..100, number..number + 1);
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        outage.ends();
        sink.wait_accepted(700).await;
        running.until("d", |status| status.dlq_length == 7).await;
        tokio::time::sleep(Duration::from_secs(600)).await;
        let status = running.status("d").unwrap();
        assert_eq!((status.dlq_length, status.retry_length), (7, 0), "{kind:?}");
        running.stop().await;
        assert_complete(&sink, 0..100, 0..7);
    }
}

#[tokio::test(start_paused = true)]
async fn a_brown_out_gives_nothing_up_either() {
    let world = World::new();
    let random = std::sync::Mutex::new(fastrand::Rng::with_seed(5));
    let fails = Arc::new(AtomicBool::new(true));
    let sink = RecordingSink::scripted({
        let fails = fails.clone();
        move |_, _| {
            if fails.load(Ordering::SeqCst) && random.lock().unwrap().u32(0..100) < 95 {
                Answer::Fail(SinkError::unavailable("HTTP 500"))
            } else {
                Answer::Accept
            }
        }
    });
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    world.modify(0..300, 0..10);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(running.status("d").unwrap().dlq_length, 0);
    fails.store(false, Ordering::SeqCst);
    sink.wait_accepted(3000).await;
    running.stop().await;
    assert_complete(&sink, 0..300, 0..10);
}

#[tokio::test(start_paused = true)]
async fn a_handful_of_records_to_a_dead_destination_take_their_retries() {
    let (world, outage) = (World::new(), Outage::default());
    let sink = outage.sink(SinkErrorKind::Unavailable);
    outage.begins();
    let running = world.start(vec![collection("c", vec![subscription("d", sink, 5)])]);
    world.modify(0..5, 0..1);
    running.until("d", |status| status.dlq_length == 5).await;
    assert_eq!(outage.asked(), 30);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn workers_that_are_killed_again_and_again_during_an_outage_give_nothing_up() {
    let (world, outage) = (World::new(), Outage::default());
    let sink = outage.sink(SinkErrorKind::Unavailable);
    let spec = || vec![collection("c", vec![subscription("d", sink.clone(), 5)])];
    outage.begins();
    world.modify(0..100, 0..5);
    for _ in 0..20 {
        let running = world.start(spec());
        running.until_phase("d", SubscriptionPhase::Holding).await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        running.kill().await;
    }
    outage.ends();
    let running = world.start(spec());
    sink.wait_accepted(500).await;
    running.until("d", |status| status.lag_seconds == Some(0.0)).await;
    assert_eq!(running.status("d").unwrap().dlq_length, 0);
    running.stop().await;
    assert_complete(&sink, 0..100, 0..5);
}

#[tokio::test(start_paused = true)]
async fn credentials_that_are_refused_hold_and_say_so() {
    let (world, outage) = (World::new(), Outage::default());
    let sink = outage.sink(SinkErrorKind::Unauthorized);
    outage.begins();
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    world.modify(0..50, 0..1);
    running.until_phase("d", SubscriptionPhase::Holding).await;
    assert!(
        running
            .status("d")
            .unwrap()
            .reason
            .unwrap()
            .contains("credentials")
    );
    outage.ends();
    sink.wait_accepted(50).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_hold_with_nothing_but_bad_records_waiting_ends_when_the_stream_gets_through() {
    let (world, outage) = (World::new(), Outage::default());
    let sink = outage.sink_with(SinkErrorKind::Unavailable, |record| {
        key_of(record).starts_with("bad")
    });
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    for number in 0..25 {
        world
            .watcher
            .change("c", &format!("bad{number}"), RecordType::Insert, number);
    }
    running.until_phase("d", SubscriptionPhase::Holding).await;
    world.modify(0..100, 0..3);
    sink.wait_accepted(300).await;
    running.stop().await;
    assert_complete(&sink, 0..100, 0..3);
}

/// Everything of one lane hangs; the other lane delivers far ahead; then the destination fails as a whole and comes back.
#[tokio::test(start_paused = true)]
async fn what_was_delivered_ahead_is_not_delivered_again_after_a_hold() {
    let world = World::new();
    let outage = Outage::default();
    let limits = SinkLimits {
        concurrency: 2,
        ..SinkLimits::default()
    };
    let sink = RecordingSink::with_limits(limits, {
        let outage = outage.clone();
        move |record, before| match (key_of(record).as_str(), before) {
            ("k0", 0) => Answer::Hang,
            _ if outage.is_down() => Answer::Fail(SinkError::unavailable("HTTP 503")),
            _ => Answer::Accept,
        }
    });
    let spec = || vec![collection("c", vec![subscription("d", sink.clone(), 5)])];
    // From the second start on no processed ids are asked for.
    let running = world.start(spec());
    world.watcher.change("c", "first", RecordType::Insert, 1);
    sink.wait_accepted(1).await;
    running.stop().await;
    let running = world.start(spec());
    for key in 0..3000 {
        world
            .watcher
            .change("c", &format!("k{key}"), RecordType::Insert, key);
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(sink.accepted().len() > 1000, "{}", sink.accepted().len());
    outage.begins();
    for key in 3000..3200 {
        world
            .watcher
            .change("c", &format!("k{key}"), RecordType::Insert, key);
    }
    running.until_phase("d", SubscriptionPhase::Holding).await;
    // Several trials.
    tokio::time::sleep(Duration::from_secs(600)).await;
    outage.ends();
    sink.wait_accepted(3201).await;
    running.until_through("d").await;
    running.stop().await;
    let repeated = repeated(&sink);
    assert!(
        repeated.is_empty(),
        "{} records came twice without a crash, {} in all",
        repeated.len(),
        sink.accepted().len()
    );
}

/// The gap list of a crash, most of which was not read again when a trial failed.
#[tokio::test(start_paused = true)]
async fn what_was_settled_ahead_before_a_crash_is_not_delivered_again_after_a_hold() {
    let world = World::new();
    let outage = Outage::default();
    let sink = RecordingSink::scripted({
        let outage = outage.clone();
        move |record, before| match (key_of(record).as_str(), before) {
            ("k0", 0) => Answer::Hang,
            _ if outage.is_down() => Answer::Fail(SinkError::unavailable("HTTP 503")),
            (key, 0) if key.starts_with("bad") => Answer::Fail(SinkError::rejected("HTTP 422")),
            _ => Answer::Accept,
        }
    });
    let spec = || vec![collection("c", vec![subscription("d", sink.clone(), 5)])];
    let running = world.start(spec());
    for key in 0..3000 {
        world
            .watcher
            .change("c", &format!("k{key}"), RecordType::Insert, key);
    }
    for key in 0..30 {
        world
            .watcher
            .change("c", &format!("bad{key}"), RecordType::Insert, key);
    }
    running.until("d", |status| status.retry_length >= 25).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    running.kill().await;
    outage.begins();
    let running = world.start(spec());
    running.until_phase("d", SubscriptionPhase::Holding).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    outage.ends();
    running.until_through("d").await;
    running.stop().await;
    let repeated = repeated(&sink);
    let accepted = sink.accepted().len();
    assert!(
        repeated.is_empty(),
        "{} came twice, {accepted} in all",
        repeated.len()
    );
}

/// Its lease had run out when it was about to leave: the destination said nothing.
#[tokio::test(start_paused = true)]
async fn a_probe_that_did_not_leave_the_process_does_not_end_a_hold() {
    let world = World::new();
    let kind = Arc::new(Mutex::new(Some(SinkErrorKind::Unavailable)));
    let sink = RecordingSink::scripted({
        let kind = Arc::clone(&kind);
        move |_, _| match *kind.lock().unwrap() {
            Some(kind) => Answer::Fail(SinkError::new(kind, "no")),
            None => Answer::Accept,
        }
    });
    world.modify(0..30, 0..1);
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    running.until_phase("d", SubscriptionPhase::Holding).await;
    *kind.lock().unwrap() = Some(SinkErrorKind::NotSent);
    for _ in 0..1000 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(running.status("d").unwrap().phase, SubscriptionPhase::Holding);
    }
    *kind.lock().unwrap() = None;
    running.until("d", |status| status.delivered == 30).await;
    running.stop().await;
}
