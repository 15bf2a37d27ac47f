//! Subscriptions that send to one server: they are held together, and none stands in the way of another.

use std::time::Duration;

use conduit_core::{RecordType, SinkError, SinkErrorKind, SubscriptionPhase, WatchError};
use conduit_testkit::{Answer, RecordingSink};
use tokio::time::Instant;

use crate::harness::{Running, World, c, collection, subscription};
use crate::outage::{Named, Outage};

/// A busy destination of the collection `c` and a quiet one of `q`, with their sinks.
fn start_busy_and_quiet(world: &World, outage: &Outage) -> (Running, RecordingSink, RecordingSink) {
    let (busy, quiet) = (
        outage.sink(SinkErrorKind::Unavailable),
        outage.sink(SinkErrorKind::Unavailable),
    );
    let running = world.start(vec![
        collection("c", vec![subscription("busy", Named(busy.clone()), 5)]),
        collection("q", vec![subscription("quiet", Named(quiet.clone()), 5)]),
    ]);
    (running, busy, quiet)
}

/// The quiet one is held by its first failure, since it knows what the busy one learnt.
#[tokio::test(start_paused = true)]
async fn subscriptions_that_send_to_one_server_are_held_together() {
    let (world, outage) = (World::new(), Outage::default());
    let (running, busy, quiet) = start_busy_and_quiet(&world, &outage);
    outage.begins();
    world.modify(0..50, 0..1);
    running.until_phase("busy", SubscriptionPhase::Holding).await;
    world.watcher.change("q", "k", RecordType::Insert, 1);
    running.until_phase("quiet", SubscriptionPhase::Holding).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(running.status("quiet").unwrap().dlq_length, 0);
    outage.ends();
    quiet.wait_accepted(1).await;
    busy.wait_accepted(50).await;
    running.stop().await;
}

/// Nothing woke the quiet one when the one whose turn it was to ask was paused.
#[tokio::test(start_paused = true)]
async fn a_destination_is_not_held_for_ever_when_the_one_that_asks_the_server_is_paused() {
    let world = World::new();
    let outage = Outage::default();
    outage.begins();
    let (running, _, quiet) = start_busy_and_quiet(&world, &outage);
    running
        .until("quiet", |status| status.lag_seconds.is_some())
        .await;
    world.modify(0..50, 1..2);
    running.until_phase("busy", SubscriptionPhase::Holding).await;
    world.watcher.change("q", "k", RecordType::Insert, 1);
    running.until_phase("quiet", SubscriptionPhase::Holding).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    running.handle.pause(&c(), None);
    running.until_phase("busy", SubscriptionPhase::Paused).await;
    outage.ends();
    let waited = tokio::time::timeout(Duration::from_secs(130), quiet.wait_accepted(1)).await;
    assert!(waited.is_ok(), "still held: {:?}", running.status("quiet"));
}

#[tokio::test(start_paused = true)]
async fn lost_history_is_still_said_after_its_endpoint_was_held() {
    let world = World::new();
    let outage = Outage::default();
    let (busy, halted) = (
        outage.sink(SinkErrorKind::Unavailable),
        outage.sink(SinkErrorKind::Unavailable),
    );
    world.watcher.fail_next_open(WatchError::history_lost("gone"));
    let running = world.start(vec![collection(
        "q",
        vec![subscription("halted", Named(halted.clone()), 5)],
    )]);
    running.until_phase("halted", SubscriptionPhase::Halted).await;
    let both = vec![
        collection("q", vec![subscription("halted", Named(halted.clone()), 5)]),
        collection("c", vec![subscription("busy", Named(busy.clone()), 5)]),
    ];
    running.handle.set_collections(both).unwrap();
    running.until("busy", |status| status.lag_seconds.is_some()).await;
    outage.begins();
    world.modify(0..50, 1..2);
    running.until_phase("busy", SubscriptionPhase::Holding).await;
    outage.ends();
    busy.wait_accepted(50).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let status = running.status("halted").unwrap();
    assert_eq!(
        (status.phase, status.reason.as_deref()),
        (SubscriptionPhase::Halted, Some("history_lost"))
    );
}

/// A probe that waits for its own subscription's throttle keeps everybody else's from going out.
#[tokio::test(start_paused = true)]
async fn a_throttled_subscription_does_not_keep_others_from_asking_a_held_endpoint() {
    let world = World::new();
    let outage = Outage::default();
    outage.begins();
    let busy = outage.sink(SinkErrorKind::Unavailable);
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
    world.modify(0..50, 1..2);
    running.until_phase("busy", SubscriptionPhase::Holding).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    outage.ends();
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
    world.modify(0..100, 0..10);
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
