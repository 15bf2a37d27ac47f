//! What the next process finds after a crash.

use std::sync::Arc;
use std::time::Duration;

use conduit_core::{
    Advance, Commit, Lease, OpenRequest, Opened, Position, Rewind, StateError, StateErrorKind, StateStore,
    SubscriptionId, SubscriptionStart, SubscriptionState, WorkerId,
};
use conduit_state::MemoryStore;
use conduit_testkit::store_suite::{at, collection, destination, stored_position};
use routed_store::RoutedStore;

fn routed(orders: &MemoryStore, others: &MemoryStore) -> RoutedStore {
    RoutedStore::new(Arc::new(others.clone())).with_route(collection("orders"), Arc::new(orders.clone()))
}

async fn commit_one(store: &RoutedStore, commit: &Commit) -> Result<(), StateError> {
    let mut answers = store.commit(std::slice::from_ref(commit)).await;
    answers.remove(0)
}

/// Opens a collection as a worker does whose newest epoch so far is `last_epoch`.
async fn open(store: &RoutedStore, name: &str, last_epoch: u64) -> (Lease, SubscriptionState) {
    let start = SubscriptionStart {
        destination: destination("log"),
        start: at(0),
        life: at(0),
        rewind: Rewind::default(),
    };
    let request = OpenRequest {
        collection: collection(name),
        worker: WorkerId::new("worker"),
        lease_time: Duration::from_secs(60),
        evict: None,
        last_epoch,
        subscriptions: vec![start],
    };
    match store.open(&request).await.unwrap() {
        Opened::Taken {
            lease, mut states, ..
        } => (lease, states.remove(0)),
        Opened::Held { by, .. } => panic!("held by {by}"),
    }
}

fn first_commit(lease: &Lease, from: &Position) -> Commit {
    let subscription = SubscriptionId {
        collection: lease.collection.clone(),
        destination: destination("log"),
    };
    let mut commit = Commit::new(subscription, lease.clone(), 1);
    commit.advance = Some(Advance {
        from: from.clone(),
        to: stored_position(1),
    });
    commit
}

fn are_ok(answers: &[Result<(), StateError>]) -> Vec<bool> {
    answers.iter().map(Result::is_ok).collect()
}

#[tokio::test]
async fn a_crash_finds_the_state_before_a_commit_or_after_it() {
    let (orders, others) = (MemoryStore::new(), MemoryStore::new());
    let store = routed(&orders, &others);
    let (lease, state) = open(&store, "orders", 0).await;
    let commit = first_commit(&lease, &state.position);

    let before = routed(&orders.image(), &others.image());
    commit_one(&store, &commit).await.unwrap();
    let after = routed(&orders.image(), &others.image());

    // The answer may have been lost: the same commit again succeeds and changes nothing.
    commit_one(&store, &commit).await.unwrap();
    for (image, position) in [(before, state.position), (after, stored_position(1))] {
        let (_, found) = open(&image, "orders", lease.epoch).await;
        assert_eq!(found.position, position);
        // What was still on its way from the process that died is fenced.
        let late = commit_one(&image, &commit).await.unwrap_err();
        assert_eq!(late.kind(), StateErrorKind::Fenced);
    }
}

#[tokio::test]
async fn each_commit_and_each_lease_is_answered_in_its_place_whatever_store_has_it() {
    let store = routed(&MemoryStore::new(), &MemoryStore::new());
    let mut taken = Vec::new();
    for name in ["events", "orders", "users"] {
        taken.push(open(&store, name, 0).await);
    }
    // Somebody else has `orders` now.
    open(&store, "orders", 0).await;
    let commits: Vec<Commit> = taken
        .iter()
        .map(|(lease, state)| first_commit(lease, &state.position))
        .collect();
    let committed = store.commit(&commits).await;
    assert_eq!(are_ok(&committed), [true, false, true]);
    let leases: Vec<Lease> = taken.into_iter().map(|(lease, _)| lease).collect();
    let renewed = store.renew(&leases, Duration::from_secs(60)).await.unwrap();
    assert_eq!(are_ok(&renewed), [true, false, true]);
}
