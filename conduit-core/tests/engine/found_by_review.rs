//! What a review of hold, redrive and status found: each was wrong once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use conduit_core::{
    ClusterTime, CollectionName, LetterSelection, Record, RecordType, Settings, Sink, SinkError, SinkLimits,
    SubscriptionPhase, WatchError,
};
use conduit_testkit::{Answer, RecordingSink};
use tokio::time::Instant;

use crate::harness::{Running, World, collection, subscription, values_of};

fn name(name: &str) -> CollectionName {
    CollectionName::new(name).unwrap()
}

fn key_of(record: &Record) -> String {
    let keys: serde_json::Value = serde_json::from_slice(record.keys()).unwrap();
    keys["_id"].as_str().unwrap().to_owned()
}

fn value_of(record: &Record) -> u64 {
    let image: serde_json::Value = serde_json::from_slice(record.new_image().unwrap()).unwrap();
    image["value"].as_u64().unwrap()
}

/// A sink whose endpoint has a name.
#[derive(Debug, Clone)]
struct Named(RecordingSink);

#[async_trait::async_trait]
impl Sink for Named {
    fn limits(&self) -> SinkLimits {
        self.0.limits()
    }
    fn endpoint(&self) -> Option<String> {
        Some("http://receiver".to_owned())
    }
    async fn deliver(&self, batch: &conduit_core::RecordBatch) -> Result<conduit_core::Delivery, SinkError> {
        self.0.deliver(batch).await
    }
}

fn repeated(sink: &RecordingSink) -> Vec<String> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for id in sink.accepted() {
        *counts.entry(id).or_insert(0) += 1;
    }
    let mut all: Vec<String> = counts
        .into_iter()
        .filter(|(_, n)| *n > 1)
        .map(|(id, _)| id)
        .collect();
    all.sort();
    all
}

fn down_sink(is_down: &Arc<AtomicBool>) -> RecordingSink {
    let is_down = is_down.clone();
    RecordingSink::scripted(move |_, _| {
        if is_down.load(Ordering::SeqCst) {
            Answer::Fail(SinkError::unavailable("HTTP 503"))
        } else {
            Answer::Accept
        }
    })
}

async fn until_holding(running: &Running, destination: &str) {
    running
        .until(destination, |status| status.phase == SubscriptionPhase::Holding)
        .await;
}

/// Nothing woke the quiet one when the one whose turn it was to ask was paused.
#[tokio::test(start_paused = true)]
async fn a_destination_is_not_held_for_ever_when_the_one_that_asks_the_server_is_paused() {
    let world = World::new();
    let is_down = Arc::new(AtomicBool::new(true));
    let (busy, quiet) = (down_sink(&is_down), down_sink(&is_down));
    let running = world.start(vec![
        collection("c", vec![subscription("busy", Named(busy.clone()), 5)]),
        collection("q", vec![subscription("quiet", Named(quiet.clone()), 5)]),
    ]);
    running
        .until("quiet", |status| status.lag_seconds.is_some())
        .await;
    for key in 0..50 {
        world
            .watcher
            .change("c", &format!("k{key}"), RecordType::Modify, 1);
    }
    until_holding(&running, "busy").await;
    world.watcher.change("q", "k", RecordType::Insert, 1);
    until_holding(&running, "quiet").await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    running.handle.pause(&name("c"), None);
    running
        .until("busy", |status| status.phase == SubscriptionPhase::Paused)
        .await;
    is_down.store(false, Ordering::SeqCst);
    let waited = tokio::time::timeout(Duration::from_secs(130), quiet.wait_accepted(1)).await;
    assert!(waited.is_ok(), "still held: {:?}", running.status("quiet"));
}

/// Everything of one lane hangs; the other lane delivers far ahead; then the destination fails as a whole and comes back.
#[tokio::test(start_paused = true)]
async fn what_was_delivered_ahead_is_not_delivered_again_after_a_hold() {
    let world = World::new();
    let is_down = Arc::new(AtomicBool::new(false));
    let limits = SinkLimits {
        concurrency: 2,
        ..SinkLimits::default()
    };
    let sink = RecordingSink::with_limits(limits, {
        let is_down = is_down.clone();
        move |record, before| match (key_of(record).as_str(), before) {
            ("k0", 0) => Answer::Hang,
            _ if is_down.load(Ordering::SeqCst) => Answer::Fail(SinkError::unavailable("HTTP 503")),
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
    is_down.store(true, Ordering::SeqCst);
    for key in 3000..3200 {
        world
            .watcher
            .change("c", &format!("k{key}"), RecordType::Insert, key);
    }
    until_holding(&running, "d").await;
    // Several trials.
    tokio::time::sleep(Duration::from_secs(600)).await;
    is_down.store(false, Ordering::SeqCst);
    sink.wait_accepted(3201).await;
    running
        .until("d", |status| {
            status.lag_seconds == Some(0.0) && status.retry_length == 0
        })
        .await;
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
    let is_down = Arc::new(AtomicBool::new(false));
    let sink = RecordingSink::scripted({
        let is_down = is_down.clone();
        move |record, before| match (key_of(record).as_str(), before) {
            ("k0", 0) => Answer::Hang,
            _ if is_down.load(Ordering::SeqCst) => Answer::Fail(SinkError::unavailable("HTTP 503")),
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
    is_down.store(true, Ordering::SeqCst);
    let running = world.start(spec());
    until_holding(&running, "d").await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    is_down.store(false, Ordering::SeqCst);
    running
        .until("d", |status| {
            status.lag_seconds == Some(0.0) && status.retry_length == 0
        })
        .await;
    running.stop().await;
    let repeated = repeated(&sink);
    let accepted = sink.accepted().len();
    assert!(
        repeated.is_empty(),
        "{} came twice, {accepted} in all",
        repeated.len()
    );
}

/// Letters of one key on two pages of a redrive, and a new record of the key between them.
async fn redrive_over_two_pages(arrives_after: u64, lane_is_busy: bool) -> RecordingSink {
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
    if lane_is_busy {
        // All lanes have a slow call in hand.
        for other in 0..18 {
            world
                .watcher
                .change("c", &format!("p{other}"), RecordType::Modify, 77);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let redriven = {
        let handle = running.handle.clone();
        tokio::spawn(async move {
            handle
                .redrive(&name("c"), LetterSelection::default(), false)
                .await
        })
    };
    tokio::time::sleep(Duration::from_millis(arrives_after)).await;
    world.watcher.change("c", "k", RecordType::Modify, 9);
    assert_eq!(redriven.await.unwrap().unwrap().redriven, 122);
    running
        .until("d", |status| {
            status.retry_length == 0 && status.lag_seconds == Some(0.0)
        })
        .await;
    running.stop().await;
    sink
}

#[tokio::test(start_paused = true)]
async fn a_redrive_of_several_pages_keeps_the_order_of_a_key_that_gets_a_new_record_meanwhile() {
    let sink = redrive_over_two_pages(50, false).await;
    assert_eq!(values_of(&sink, "k"), [1, 2, 9]);
}

#[tokio::test(start_paused = true)]
async fn a_redrive_of_several_pages_sends_nothing_twice_while_a_newer_record_waits_in_a_lane() {
    let sink = redrive_over_two_pages(50, true).await;
    assert_eq!(values_of(&sink, "k"), [1, 2, 9]);
    assert!(repeated(&sink).is_empty(), "{:?}", repeated(&sink));
}

#[tokio::test(start_paused = true)]
async fn lost_history_is_still_said_after_its_endpoint_was_held() {
    let world = World::new();
    let is_down = Arc::new(AtomicBool::new(false));
    let (busy, halted) = (down_sink(&is_down), down_sink(&is_down));
    world.watcher.fail_next_open(WatchError::history_lost("gone"));
    let running = world.start(vec![collection(
        "q",
        vec![subscription("halted", Named(halted.clone()), 5)],
    )]);
    running
        .until("halted", |status| status.phase == SubscriptionPhase::Halted)
        .await;
    let both = vec![
        collection("q", vec![subscription("halted", Named(halted.clone()), 5)]),
        collection("c", vec![subscription("busy", Named(busy.clone()), 5)]),
    ];
    running.handle.set_collections(both).unwrap();
    running.until("busy", |status| status.lag_seconds.is_some()).await;
    is_down.store(true, Ordering::SeqCst);
    for key in 0..50 {
        world
            .watcher
            .change("c", &format!("k{key}"), RecordType::Modify, 1);
    }
    until_holding(&running, "busy").await;
    is_down.store(false, Ordering::SeqCst);
    busy.wait_accepted(50).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let status = running.status("halted").unwrap();
    assert_eq!(
        (status.phase, status.reason.as_deref()),
        (SubscriptionPhase::Halted, Some("history_lost"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_purge_is_seen_in_the_status_of_a_paused_destination() {
    let world = World::new();
    let sink = RecordingSink::scripted(|_, _| Answer::Fail(SinkError::undeliverable("too large")));
    let running = world.start(vec![collection("c", vec![subscription("d", sink, 5)])]);
    world.watcher.change("c", "k", RecordType::Insert, 1);
    running.until("d", |status| status.dlq_length == 1).await;
    running.handle.pause(&name("c"), None);
    running
        .until("d", |status| status.phase == SubscriptionPhase::Paused)
        .await;
    let purged = running.handle.purge(&name("c"), LetterSelection::default()).await;
    assert_eq!(purged.unwrap(), 1);
    assert_eq!(running.status("d").unwrap().dlq_length, 0);
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
    running
        .until("d", |status| status.phase == SubscriptionPhase::Halted)
        .await;
    running.handle.pause(&name("c"), None);
    tokio::time::sleep(Duration::from_secs(5)).await;
    running
        .handle
        .purge(&name("c"), LetterSelection::default())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let status = running.status("d").unwrap();
    assert_eq!((status.phase, status.reason), (SubscriptionPhase::Paused, None));
}

/// A probe that waits for its own subscription's throttle keeps everybody else's from going out.
#[tokio::test(start_paused = true)]
async fn a_throttled_subscription_does_not_keep_others_from_asking_a_held_endpoint() {
    let world = World::new();
    let is_down = Arc::new(AtomicBool::new(true));
    let busy = down_sink(&is_down);
    let throttled = RecordingSink::scripted(|_, before| {
        if before == 0 {
            Answer::Fail(SinkError::rejected("HTTP 400"))
        } else {
            Answer::Fail(SinkError::throttled("HTTP 429", Some(Duration::from_secs(300))))
        }
    });
    let running = world.start(vec![
        collection("q", vec![subscription("throttled", Named(throttled.clone()), 5)]),
        collection("c", vec![subscription("busy", Named(busy.clone()), 5)]),
    ]);
    running
        .until("throttled", |status| status.lag_seconds.is_some())
        .await;
    running.until("busy", |status| status.lag_seconds.is_some()).await;
    world.watcher.change("q", "k", RecordType::Insert, 1);
    world.watcher.change("q", "l", RecordType::Insert, 1);
    // Both keys wait; the retry of one is throttled.
    tokio::time::sleep(Duration::from_secs(3)).await;
    for key in 0..50 {
        world
            .watcher
            .change("c", &format!("k{key}"), RecordType::Modify, 1);
    }
    until_holding(&running, "busy").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    is_down.store(false, Ordering::SeqCst);
    let since = Instant::now();
    busy.wait_accepted(50).await;
    assert!(
        since.elapsed() < Duration::from_secs(130),
        "asked after {:?}",
        since.elapsed()
    );
}

/// One path of a server fails, another works.
#[tokio::test(start_paused = true)]
async fn a_path_that_fails_does_not_stop_another_path_of_the_same_server() {
    let world = World::new();
    let bad = RecordingSink::scripted(|_, _| Answer::Fail(SinkError::unavailable("HTTP 503")));
    let good = RecordingSink::new();
    let running = world.start(vec![collection(
        "c",
        vec![
            subscription("bad", Named(bad.clone()), 5),
            subscription("good", Named(good.clone()), 5),
        ],
    )]);
    for value in 0..10 {
        for key in 0..100 {
            world
                .watcher
                .change("c", &format!("k{key}"), RecordType::Modify, value);
        }
    }
    let since = Instant::now();
    let waited = tokio::time::timeout(Duration::from_secs(3600), good.wait_accepted(1000)).await;
    assert!(
        waited.is_ok() && since.elapsed() < Duration::from_secs(60),
        "{} of 1000 after {:?}: {:?}",
        good.accepted().len(),
        since.elapsed(),
        running.status("good")
    );
}

#[tokio::test(start_paused = true)]
async fn a_rewind_right_after_the_start_is_not_lost() {
    let world = World::new();
    let sink = RecordingSink::new();
    let spec = || vec![collection("c", vec![subscription("d", sink.clone(), 5)])];
    let running = world.start(spec());
    for value in 1..=3 {
        world.watcher.change("c", "k", RecordType::Modify, value);
    }
    sink.wait_accepted(3).await;
    running.handle.rewind(&name("c"), None, ClusterTime::new(3, 0));
    sink.wait_accepted(4).await;
    running.until("d", |status| status.lag_seconds == Some(0.0)).await;
    running.stop().await;
    let running = world.start(spec());
    running.handle.rewind(&name("c"), None, ClusterTime::new(2, 0));
    tokio::time::sleep(Duration::from_secs(30)).await;
    running.stop().await;
    assert_eq!(values_of(&sink, "k"), [1, 2, 3, 3, 2, 3]);
}

/// A sink that applies batches in order; the first record of a key is refused, the second throttled.
#[tokio::test(start_paused = true)]
async fn what_is_throttled_in_a_batch_does_not_overtake_a_record_of_its_key_that_failed() {
    let world = World::new();
    let limits = SinkLimits {
        max_records: 10,
        concurrency: 1,
        same_key: conduit_core::SameKey::InOrder,
        ..SinkLimits::default()
    };
    let sink = RecordingSink::with_limits(limits, |record, before| match (value_of(record), before) {
        (1, 0) => Answer::Fail(SinkError::rejected("HTTP 422")),
        (2, 0) => Answer::Fail(SinkError::throttled("HTTP 429", Some(Duration::from_millis(10)))),
        _ => Answer::Accept,
    });
    for value in 1..=2 {
        world.watcher.change("c", "k", RecordType::Modify, value);
    }
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    sink.wait_accepted(2).await;
    running.stop().await;
    assert_eq!(values_of(&sink, "k"), [1, 2]);
}
