//! Every change arrives in order per document, with retries, dead letters and time-outs.

use std::time::Duration;

use conduit_core::{Record, RecordType, SinkError, SinkLimits};
use conduit_testkit::{Answer, RecordingSink};

use crate::harness::{World, collection, subscription, values_of};

fn is_of(record: &Record, key: &str) -> bool {
    std::str::from_utf8(record.keys()).is_ok_and(|keys| keys.contains(&format!("\"{key}\"")))
}

#[tokio::test(start_paused = true)]
async fn every_change_arrives_in_order_per_document() {
    let world = World::new();
    let sink = RecordingSink::scripted(|record, _| {
        Answer::Slow(Duration::from_millis(
            u64::try_from(record.timestamp().as_millis() % 7).unwrap(),
        ))
    });
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    for value in 0..500 {
        world
            .watcher
            .change("c", &format!("k{}", value % 20), RecordType::Modify, value);
    }
    sink.wait_accepted(500).await;
    for key in 0..20 {
        let values = values_of(&sink, &format!("k{key}"));
        assert_eq!(values, (0..25).map(|n| n * 20 + key).collect::<Vec<u64>>());
    }
    running.stop().await;
    assert_eq!(sink.accepted().len(), 500);
}

#[tokio::test(start_paused = true)]
async fn a_refused_record_has_six_attempts_on_the_schedule_then_is_a_dead_letter() {
    let world = World::new();
    let sink = RecordingSink::scripted(|record, _| {
        if is_of(record, "bad") {
            Answer::Fail(SinkError::rejected("HTTP 500"))
        } else {
            Answer::Accept
        }
    });
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    let bad = world.watcher.change("c", "bad", RecordType::Insert, 0);
    for value in 0..100 {
        world.watcher.change("c", "good", RecordType::Modify, value);
    }
    sink.wait_accepted(100).await;
    assert_eq!(values_of(&sink, "good"), (0..100).collect::<Vec<u64>>());
    running.until("d", |status| status.dlq_length == 1).await;
    let attempts: Vec<f64> = sink
        .arrived()
        .iter()
        .filter(|arrived| *arrived.record.event_id() == bad)
        .map(|arrived| arrived.at.as_secs_f64())
        .collect();
    assert_eq!(attempts.len(), 6);
    for (at, wanted) in attempts.iter().zip([0.0, 1.0, 3.0, 7.0, 15.0, 31.0]) {
        let since_first = at - attempts[0];
        assert!(
            (since_first - wanted).abs() <= 0.1 * wanted,
            "an attempt at {since_first} s, wanted {wanted} s"
        );
    }
    let status = running.status("d").unwrap();
    assert_eq!(
        (status.retry_length, status.dead_lettered, status.retried),
        (0, 1, 5)
    );
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn later_records_of_a_parked_key_wait_behind_it_and_follow_in_order() {
    let world = World::new();
    // The first record of the document fails three times.
    let sink = RecordingSink::scripted(|record, before| {
        let fails = is_of(record, "k") && record.timestamp().as_millis() == 1000 && before < 3;
        if fails {
            Answer::Fail(SinkError::rejected("not yet"))
        } else {
            Answer::Accept
        }
    });
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    for value in 0..200 {
        world.watcher.change("c", "k", RecordType::Modify, value);
    }
    running.until("d", |status| status.retry_length == 200).await;
    assert_eq!(
        sink.arrived().len(),
        1,
        "nothing of the key is sent while its head waits"
    );
    sink.wait_accepted(200).await;
    assert_eq!(values_of(&sink, "k"), (0..200).collect::<Vec<u64>>());
    running.until("d", |status| status.retry_length == 0).await;
    world.watcher.change("c", "k", RecordType::Modify, 200);
    sink.wait_accepted(201).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn after_a_dead_letter_later_records_get_one_attempt_each_until_one_gets_through() {
    let world = World::new();
    let sink = RecordingSink::scripted(|record, _| {
        let value: serde_json::Value = serde_json::from_slice(record.new_image().unwrap()).unwrap();
        // 0 is given up after its attempts, 1 and 2 after one each; 3 gets through; 4 fails once, and then does.
        match value["value"].as_u64().unwrap() {
            0..=2 => Answer::Fail(SinkError::rejected("no")),
            _ => Answer::Accept,
        }
    });
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 2)])]);
    for value in 0..5 {
        world.watcher.change("c", "k", RecordType::Modify, value);
    }
    sink.wait_accepted(2).await;
    assert_eq!(values_of(&sink, "k"), [3, 4]);
    let tries = |event: &str| {
        sink.arrived()
            .iter()
            .filter(|arrived| arrived.record.event_id().as_str() == event)
            .count()
    };
    assert_eq!((tries("event-1"), tries("event-2"), tries("event-3")), (3, 1, 1));
    running
        .until("d", |status| status.dlq_length == 3 && status.retry_length == 0)
        .await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_record_that_can_never_be_sent_is_a_dead_letter_at_once() {
    let world = World::new();
    let limits = SinkLimits {
        max_bytes: 300,
        ..SinkLimits::default()
    };
    let sink = RecordingSink::with_limits(limits, |_, _| Answer::Accept);
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    world.watcher.change("c", &"x".repeat(300), RecordType::Insert, 0);
    world.watcher.change("c", "small", RecordType::Insert, 0);
    running
        .until("d", |status| status.dlq_length == 1 && status.delivered == 1)
        .await;
    assert_eq!(sink.arrived().len(), 1);
    assert!(
        running
            .status("d")
            .unwrap()
            .last_error
            .unwrap()
            .contains("the destination takes 300")
    );
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn throttling_is_no_attempt_and_keeps_the_order() {
    let world = World::new();
    let sink = RecordingSink::scripted(|_, before| {
        if before < 8 {
            Answer::Fail(SinkError::throttled("HTTP 429", Some(Duration::from_secs(20))))
        } else {
            Answer::Accept
        }
    });
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 0)])]);
    for value in 0..3 {
        world.watcher.change("c", "k", RecordType::Modify, value);
    }
    sink.wait_accepted(3).await;
    assert_eq!(values_of(&sink, "k"), [0, 1, 2]);
    let status = running.status("d").unwrap();
    assert_eq!((status.retried, status.dead_lettered), (0, 0));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_record_that_hangs_times_out_and_does_not_stop_other_documents() {
    let world = World::new();
    let sink = RecordingSink::scripted(|record, before| {
        if is_of(record, "slow") && before == 0 {
            Answer::Hang
        } else {
            Answer::Accept
        }
    });
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    world.watcher.change("c", "slow", RecordType::Insert, 0);
    for value in 0..1000 {
        world
            .watcher
            .change("c", &format!("k{value}"), RecordType::Insert, value);
    }
    // All but those that share the hanging record's lane are through at once, those when it has timed out.
    sink.wait_accepted(1001).await;
    let late = sink
        .arrived()
        .iter()
        .filter(|arrived| arrived.at > Duration::from_secs(1))
        .count();
    assert!(late < 100, "{late} records waited for one that hung");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_panics_is_a_failure_like_another() {
    let world = World::new();
    let sink = RecordingSink::scripted(|_, before| {
        assert!(before > 0 || std::thread::panicking(), "planted");
        Answer::Accept
    });
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 0)])]);
    world.watcher.change("c", "k", RecordType::Insert, 0);
    running.until("d", |status| status.dlq_length == 1).await;
    assert_eq!(
        running.status("d").unwrap().last_error.as_deref(),
        Some("the sink panicked")
    );
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_destination_that_hangs_does_not_delay_another() {
    let world = World::new();
    let stuck = RecordingSink::scripted(|_, _| Answer::Hang);
    let sink = RecordingSink::new();
    let subscriptions = vec![
        subscription("stuck", stuck, 5),
        subscription("d", sink.clone(), 5),
    ];
    let running = world.start(vec![collection("c", subscriptions)]);
    for value in 0..20_000 {
        world
            .watcher
            .change("c", &format!("k{value}"), RecordType::Insert, value);
    }
    let start = tokio::time::Instant::now();
    sink.wait_accepted(20_000).await;
    assert!(start.elapsed() < Duration::from_secs(10));
    running.kill().await;
}
