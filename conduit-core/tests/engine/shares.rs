//! Several workers on the same state.

use std::time::Duration;

use conduit_core::{CollectionSpec, RecordType, SubscriptionPhase, WorkerId};
use conduit_testkit::RecordingSink;

use crate::harness::{Running, World, collection, subscription};

const NAMES: [&str; 6] = ["a", "b", "c", "e", "f", "g"];

fn specs(sink: &RecordingSink) -> Vec<CollectionSpec> {
    NAMES
        .iter()
        .map(|name| collection(name, vec![subscription("d", sink.clone(), 5)]))
        .collect()
}

fn held(running: &Running) -> usize {
    let us = running.handle.worker();
    let all = running.handle.status();
    all.iter()
        .filter(|status| status.holder.as_ref() == Some(us))
        .count()
}

async fn until_held(running: &Running, count: usize) {
    while held(running) != count {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn two_workers_share_the_collections_evenly_and_one_takes_all_when_the_other_is_gone() {
    let world = World::new();
    let sink = RecordingSink::new();
    let (first, second) = (world.start(specs(&sink)), world.start(specs(&sink)));
    until_held(&first, 6).await;
    let peers: Vec<WorkerId> = vec![first.handle.worker().clone(), second.handle.worker().clone()];
    first.handle.set_peers(peers.clone());
    second.handle.set_peers(peers);
    until_held(&first, 3).await;
    until_held(&second, 3).await;
    for name in NAMES {
        world.watcher.change(name, "k", RecordType::Insert, 1);
    }
    sink.wait_accepted(6).await;
    // Long enough for everything to be committed, so that the kill repeats nothing.
    tokio::time::sleep(Duration::from_secs(1)).await;
    second.kill().await;
    first.handle.set_peers(vec![first.handle.worker().clone()]);
    until_held(&first, 6).await;
    for name in NAMES {
        world.watcher.change(name, "k", RecordType::Modify, 2);
    }
    sink.wait_accepted(12).await;
    first.stop().await;
    assert_eq!(sink.accepted().len(), 12, "a hand-over repeats nothing");
}

#[tokio::test(start_paused = true)]
async fn a_worker_leaves_a_free_lease_to_the_one_whose_share_it_is() {
    let world = World::new();
    let sink = RecordingSink::new();
    let running = world.start(specs(&sink));
    let other = WorkerId::new("elsewhere:1:1:x:1");
    running
        .handle
        .set_peers(vec![running.handle.worker().clone(), other]);
    until_held(&running, 3).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(held(&running), 3);
    let waiting = running
        .handle
        .status()
        .iter()
        .flat_map(|status| status.destinations.clone())
        .filter(|status| status.phase == SubscriptionPhase::WaitingForLease)
        .count();
    assert_eq!(waiting, 3);
    running.stop().await;
}

/// A server was killed and started again: what it had published of itself said for seconds that it was still there, and its
/// collections, whose share was the dead process's, stood still meanwhile though their leases were free to be taken.
#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn a_process_of_this_machine_that_is_gone_has_no_share() {
    let world = World::new();
    let sink = RecordingSink::new();
    let running = world.start(specs(&sink));
    let us = running.handle.worker().clone();
    let parts: Vec<&str> = us.as_str().split(':').collect();
    // The same process id, but a process that started at another time.
    let gone = WorkerId::new(format!("{}:{}:1:{}:0", parts[0], parts[1], parts[3]));
    running.handle.set_peers(vec![us, gone]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(held(&running), 6);
    running.stop().await;
}
