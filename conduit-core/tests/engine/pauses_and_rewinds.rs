//! Operators pause destinations and rewind them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use conduit_core::{ClusterTime, RecordType, SubscriptionPhase};
use conduit_testkit::RecordingSink;

use crate::harness::{World, c, collection, refusing, subscription, values_of};

#[tokio::test(start_paused = true)]
async fn a_paused_destination_gets_nothing_keeps_its_position_and_goes_on_from_it() {
    let world = World::new();
    let sink = RecordingSink::new();
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    world.watcher.change("c", "k", RecordType::Modify, 1);
    sink.wait_accepted(1).await;
    running.handle.pause(&c(), None);
    running.until_phase("d", SubscriptionPhase::Paused).await;
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
    running.until_through("d").await;
    running.stop().await;
    assert_eq!(values_of(&sink, "good"), [2, 3, 4, 6, 4, 6]);
    assert_eq!(
        (values_of(&sink, "bad1"), values_of(&sink, "bad5")),
        (vec![1], vec![5])
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
    running.handle.rewind(&c(), None, ClusterTime::new(3, 0));
    sink.wait_accepted(4).await;
    running.until("d", |status| status.lag_seconds == Some(0.0)).await;
    running.stop().await;
    let running = world.start(spec());
    running.handle.rewind(&c(), None, ClusterTime::new(2, 0));
    tokio::time::sleep(Duration::from_secs(30)).await;
    running.stop().await;
    assert_eq!(values_of(&sink, "k"), [1, 2, 3, 3, 2, 3]);
}
