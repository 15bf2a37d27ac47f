use std::sync::Arc;
use std::time::Duration;

use conduit_core::{
    ClusterTime, DestinationId, RecordType, SinkError, StateStore, SubscriptionId, TypeFilter,
};
use conduit_testkit::{Answer, RecordingSink};

use crate::harness::{World, c, collection, subscription, values_of};

#[tokio::test(start_paused = true)]
async fn records_that_a_subscription_does_not_want_are_counted_and_passed_over() {
    let world = World::new();
    let sink = RecordingSink::new();
    let spec = subscription("d", sink.clone(), 5).with_filter(TypeFilter(vec![RecordType::Insert]));
    let running = world.start(vec![collection("c", vec![spec])]);
    world.watcher.change("c", "a", RecordType::Insert, 0);
    world.watcher.change("c", "a", RecordType::Modify, 1);
    world.watcher.change("c", "a", RecordType::Remove, 2);
    world.watcher.change("other", "a", RecordType::Insert, 3);
    running
        .until("d", |status| {
            status.filtered == 2 && status.lag_seconds == Some(0.0)
        })
        .await;
    assert_eq!(sink.accepted(), ["event-1"]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_destination_goes_on_where_it_stands() {
    let world = World::new();
    let (before, after) = (RecordingSink::new(), RecordingSink::new());
    let running = world.start(vec![collection("c", vec![subscription("d", before.clone(), 5)])]);
    world.watcher.change("c", "k", RecordType::Insert, 0);
    before.wait_accepted(1).await;
    let changed = subscription("d", after.clone(), 5).with_revision(1);
    running
        .handle
        .set_collections(vec![collection("c", vec![changed])])
        .unwrap();
    for value in 1..50 {
        world.watcher.change("c", "k", RecordType::Modify, value);
    }
    running.until("d", |status| status.delivered == 50).await;
    let mut values = values_of(&before, "k");
    values.extend(values_of(&after, "k"));
    assert_eq!(values, (0..50).collect::<Vec<u64>>());
    assert!(!values_of(&after, "k").is_empty());
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_removed_destination_loses_its_waiting_records_and_another_is_not_touched() {
    let world = World::new();
    let failing = RecordingSink::scripted(|_, _| Answer::Fail(SinkError::unavailable("down")));
    let kept = RecordingSink::new();
    let both = vec![
        subscription("gone", failing, 5),
        subscription("kept", kept.clone(), 5),
    ];
    let running = world.start(vec![collection("c", both)]);
    world.watcher.change("c", "k", RecordType::Insert, 0);
    running.until("gone", |status| status.retry_length == 1).await;
    running
        .handle
        .set_collections(vec![collection("c", vec![subscription("kept", kept.clone(), 5)])])
        .unwrap();
    while running.status("gone").is_some() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.watcher.change("c", "k", RecordType::Modify, 1);
    kept.wait_accepted(2).await;
    let id = SubscriptionId {
        collection: c(),
        destination: DestinationId::new("gone").unwrap(),
    };
    let first = [conduit_core::RetryId(1)];
    // Its waiting record is dropped once its task has ended.
    while world.store.waiting(&id, &first).await.unwrap()[0].is_some() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    running.stop().await;
    assert_eq!(
        kept.accepted().len(),
        2,
        "the other destination saw each record once"
    );
}

#[tokio::test(start_paused = true)]
async fn another_life_of_a_destination_starts_at_its_own_start() {
    let world = World::new();
    let sink = RecordingSink::new();
    world.watcher.change("c", "k", RecordType::Insert, 0);
    world.watcher.change("c", "k", RecordType::Modify, 1);
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    sink.wait_accepted(2).await;
    let again = subscription("d", sink.clone(), 5).with_start(ClusterTime::new(2, 0));
    running
        .handle
        .set_collections(vec![collection("c", vec![again])])
        .unwrap();
    running.until("d", |status| status.lag_seconds == Some(0.0)).await;
    world.watcher.change("c", "k", RecordType::Modify, 2);
    sink.wait_accepted(3).await;
    running.stop().await;
    // The second change is after the new start, but it is recorded as processed.
    assert_eq!(values_of(&sink, "k"), [0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_sink_can_be_shared_as_an_arc() {
    let world = World::new();
    let sink = RecordingSink::new();
    let shared: Arc<dyn conduit_core::Sink> = Arc::new(sink.clone());
    let running = world.start(vec![collection("c", vec![subscription("d", shared, 5)])]);
    world.watcher.change("c", "k", RecordType::Insert, 0);
    sink.wait_accepted(1).await;
    running.stop().await;
}
