//! What holds of any commit: a store applies it, and keeps what it was given.
#![cfg(all(feature = "memory", feature = "embedded"))]
#![allow(clippy::unwrap_used)]

#[path = "support/request.rs"]
mod request;

use conduit_core::{Commit, Lease, Opened, Position, RetryId, StateStore, SubscriptionId, WorkerId};
use conduit_state::{EmbeddedSettings, EmbeddedStore, MemoryStore};
use conduit_testkit::store_suite::{at, collection, destination};
use conduit_testkit::strategies::commits;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use request::request_of;

fn orders() -> SubscriptionId {
    SubscriptionId {
        collection: collection("orders"),
        destination: destination("http-1"),
    }
}

async fn take(store: &dyn StateStore) -> (Lease, Position) {
    match store.open(&request_of(&orders())).await.unwrap() {
        Opened::Taken {
            lease, mut states, ..
        } => (lease, states.remove(0).position),
        Opened::Held { by, .. } => panic!("the lease is held by {by}"),
    }
}

/// All of the commit that a store gives back.
async fn assert_kept(store: &dyn StateStore, lease: &Lease, commit: &Commit) {
    let wanted = request_of(&orders()).subscriptions;
    let state = store.load(lease, &wanted).await.unwrap().remove(0);
    let to = commit
        .advance
        .as_ref()
        .map_or(&state.position, |advance| &advance.to);
    assert_eq!((&state.position, state.position.stream()), (to, to.stream()));
    let passed = |token: &str| to.token().is_some_and(|reached| token <= reached);
    let ahead = commit
        .settled_ahead
        .iter()
        .filter(|sequence| !passed(sequence.token()));
    assert_eq!(state.settled_ahead, ahead.cloned().collect::<Vec<_>>());
    let ids: Vec<RetryId> = commit.parked.iter().map(|parked| parked.id).collect();
    let waiting = store.waiting(&orders(), &ids).await.unwrap();
    for (parked, found) in commit.parked.iter().zip(waiting) {
        let (given, found) = (parked.record.as_ref().unwrap(), found.unwrap());
        assert_eq!(found.record.json(), given.json());
        assert_eq!(
            (found.record.key(), found.record.time()),
            (given.key(), given.time())
        );
        assert_eq!(
            (found.attempts, found.first_attempt),
            (parked.attempts, parked.first_attempt)
        );
    }
    let told: Vec<_> = state
        .waiting
        .iter()
        .map(|waiting| (waiting.id, waiting.key, waiting.due))
        .collect();
    let given = commit
        .parked
        .iter()
        .map(|parked| (parked.id, parked.key, parked.due));
    assert_eq!(told, given.collect::<Vec<_>>());
    let processed = store.processed(&orders(), &commit.processed).await.unwrap();
    assert!(processed.iter().all(|found| *found));
    let letters = store
        .dead_letters(&collection("orders"), None, 100)
        .await
        .unwrap();
    assert_eq!(letters.len(), commit.dead.len());
    for (letter, dead) in letters.iter().zip(&commit.dead) {
        let record = std::str::from_utf8(dead.record.json()).unwrap();
        assert!(letter.contains(record), "{letter} is not of {record}");
    }
}

fn block_on(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(future);
}

fn of(commit: &Commit, lease: &Lease, from: Position) -> Commit {
    let mut commit = Commit {
        lease: lease.clone(),
        ..commit.clone()
    };
    if let Some(advance) = &mut commit.advance {
        advance.from = from;
    }
    commit
}

/// Any commit, of a lease and from a position that the store then tells.
fn any_commit() -> impl Strategy<Value = Commit> {
    let lease = Lease {
        collection: collection("orders"),
        worker: WorkerId::new("w1"),
        epoch: 0,
    };
    commits(orders(), lease, 1, Position::at_time(at(0)))
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    })
}

#[test]
fn a_store_in_memory_keeps_any_commit() {
    let kept = runner(256).run(&any_commit(), |commit| {
        block_on(async {
            let store = MemoryStore::new();
            let (lease, from) = take(&store).await;
            let commit = of(&commit, &lease, from);
            store
                .commit(std::slice::from_ref(&commit))
                .await
                .remove(0)
                .unwrap();
            assert_kept(&store, &lease, &commit).await;
        });
        Ok(())
    });
    kept.unwrap();
}

#[test]
fn a_store_in_a_file_keeps_any_commit_and_finds_it_when_it_is_opened_again() {
    let kept = runner(48).run(&any_commit(), |commit| {
        block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("state");
            let store = EmbeddedStore::open(&path, EmbeddedSettings::default())
                .await
                .unwrap();
            let (lease, from) = take(&store).await;
            let commit = of(&commit, &lease, from);
            store
                .commit(std::slice::from_ref(&commit))
                .await
                .remove(0)
                .unwrap();
            drop(store);
            let store = EmbeddedStore::open(&path, EmbeddedSettings::default())
                .await
                .unwrap();
            let (lease, _) = take(&store).await;
            assert_kept(&store, &lease, &commit).await;
        });
        Ok(())
    });
    kept.unwrap();
}
