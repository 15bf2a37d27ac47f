//! Commits whose answers do not come, or come late.

use std::time::Duration;

use conduit_core::{RecordType, Settings, StateErrorKind};
use conduit_testkit::RecordingSink;

use crate::faulty_store::FaultyStore;
use crate::harness::{World, collection, subscription, values_of};

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_a_commit_is_no_error_and_no_duplicate() {
    let world = World::new();
    let store = FaultyStore::new(world.store.clone());
    let sink = RecordingSink::new();
    let running = world.start_on(
        store.clone(),
        Settings::default(),
        vec![collection("c", vec![subscription("d", sink.clone(), 5)])],
    );
    for value in 0..100 {
        let is_lost = value % 7 == 0;
        if is_lost {
            store.lose_next_answers();
        }
        world.watcher.change("c", "k", RecordType::Modify, value);
        sink.wait_accepted(usize::try_from(value).unwrap() + 1).await;
        if is_lost {
            store.until_lost().await;
        }
    }
    running.stop().await;
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    running.until("d", |status| status.lag_seconds == Some(0.0)).await;
    running.stop().await;
    assert_eq!(values_of(&sink, "k"), (0..100).collect::<Vec<u64>>());
}

/// The commit of a subscription that was given up lands after the next run of it began: it must not be taken for the next
/// run's commit of the same number.
#[tokio::test(start_paused = true)]
async fn a_commit_that_lands_after_its_subscription_started_anew_is_fenced() {
    let world = World::new();
    let store = FaultyStore::new(world.store.clone());
    let sink = RecordingSink::new();
    let settings = Settings {
        shutdown_timeout: Duration::from_secs(1),
        ..Settings::default()
    };
    let first = collection("c", vec![subscription("d", sink.clone(), 5)]);
    let running = world.start_on(store.clone(), settings, vec![first]);
    world.watcher.change("c", "k", RecordType::Insert, 0);
    sink.wait_accepted(1).await;
    running.until("d", |status| status.lag_seconds == Some(0.0)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    store.hold_next_commits();
    world.watcher.change("c", "k", RecordType::Modify, 1);
    store.until_held().await;
    // The subscription is told to start anew, and gives the held commit up.
    let changed = subscription("d", sink.clone(), 5).with_revision(1);
    running
        .handle
        .set_collections(vec![collection("c", vec![changed])])
        .unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    world.watcher.change("c", "k", RecordType::Modify, 2);
    tokio::time::sleep(Duration::from_secs(10)).await;
    store.let_go();
    running
        .until("d", |status| {
            status.lag_seconds == Some(0.0) && status.delivered >= 4
        })
        .await;
    running.stop().await;
    assert_eq!(store.held_answers(), [Err(StateErrorKind::Fenced)]);
    // What was delivered under the commit that was given up came again, in order; nothing else did.
    assert_eq!(values_of(&sink, "k"), [0, 1, 1, 2]);
}
