//! The conformance suite on the store in a file, and what only a file can do.
#![cfg(feature = "embedded")]
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redb::{Database, TableDefinition};
use tempfile::TempDir;

use conduit_core::{Commit, Opened, ProcessedId, StateErrorKind, StateStore, SubscriptionId};
use conduit_state::{EmbeddedSettings, EmbeddedStore, Idempotency};
use conduit_testkit::store_suite::{StoreHarness, collection, destination, record};

mod support;

use support::SetClock;

struct Harness;

struct Guard {
    directory: TempDir,
    clock: Arc<SetClock>,
}

impl Guard {
    async fn open(&self) -> Arc<dyn StateStore> {
        let path = self.directory.path().join("state");
        let settings = EmbeddedSettings::default();
        Arc::new(
            EmbeddedStore::open_with_clock(path, settings, self.clock.clone())
                .await
                .unwrap(),
        )
    }
}

#[async_trait]
impl StoreHarness for Harness {
    type Guard = Guard;

    async fn create(&self) -> (Guard, Arc<dyn StateStore>) {
        let guard = Guard {
            directory: tempfile::tempdir().unwrap(),
            clock: Arc::default(),
        };
        let store = guard.open().await;
        (guard, store)
    }

    async fn reopen(&self, guard: &Guard, store: Arc<dyn StateStore>) -> Arc<dyn StateStore> {
        assert_eq!(
            Arc::strong_count(&store),
            1,
            "the suite lets go of the store before it is opened again"
        );
        drop(store);
        guard.open().await
    }

    async fn pass_time(&self, guard: &Guard, time: Duration) {
        guard.clock.pass(time);
    }
}

conduit_testkit::state_store_suite!(Harness);

async fn refused(path: &Path) -> (StateErrorKind, String) {
    let error = EmbeddedStore::open(path, EmbeddedSettings::default())
        .await
        .unwrap_err();
    (error.kind(), error.message().to_owned())
}

#[tokio::test]
async fn a_file_in_use_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("not/yet/there/state");
    let _first = EmbeddedStore::open(&path, EmbeddedSettings::default())
        .await
        .unwrap();
    let expected = format!("the state file {} is in use by another process", path.display());
    assert_eq!(refused(&path).await, (StateErrorKind::Held, expected));
}

#[tokio::test]
async fn a_file_of_another_version_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state");
    drop(
        EmbeddedStore::open(&path, EmbeddedSettings::default())
            .await
            .unwrap(),
    );
    let database = Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    let meta: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
    transaction.open_table(meta).unwrap().insert("format", 9).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let expected = format!(
        "the state file {} has the format version 9, this program knows 1",
        path.display()
    );
    assert_eq!(refused(&path).await, (StateErrorKind::Corrupt, expected));
}

#[tokio::test]
async fn a_file_that_is_something_else_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notes.txt");
    std::fs::write(&path, "not state, but dear to somebody").unwrap();
    let expected = format!("{} is not a state file", path.display());
    assert_eq!(refused(&path).await, (StateErrorKind::Corrupt, expected));
    assert_eq!(std::fs::read(&path).unwrap(), b"not state, but dear to somebody");
}

#[tokio::test]
async fn processed_ids_are_forgotten_after_a_day() {
    let (guard, store) = Harness.create().await;
    support::processed_ids_are_forgotten_a_day_after_they_were_last_written(&*store, &guard.clock).await;
}

#[tokio::test]
async fn no_more_processed_ids_are_written_than_the_cap() {
    let directory = tempfile::tempdir().unwrap();
    let of = SubscriptionId {
        collection: collection("orders"),
        destination: destination("http-1"),
    };
    let mut number = 0;
    for (max_keys, expected) in [(0, [false; 2]), (1, [false; 2]), (2, [true; 2])] {
        let idempotency = if max_keys == 0 {
            Idempotency::Watermark
        } else {
            Idempotency::Keys { max_keys }
        };
        let settings = EmbeddedSettings { idempotency };
        let store = EmbeddedStore::open(directory.path().join("state"), settings)
            .await
            .unwrap();
        let request = support::request_of(&of);
        let Opened::Taken { lease, .. } = store.open(&request).await.unwrap() else {
            panic!("the lease is ours")
        };
        number += 1;
        let mut commit = Commit::new(of.clone(), lease, number);
        commit.processed = [1, 2]
            .map(|n| ProcessedId::of(&record(&of.collection, n, "a")))
            .to_vec();
        let ids = commit.processed.clone();
        store.commit(&[commit]).await.remove(0).unwrap();
        assert_eq!(
            store.processed(&of, &ids).await.unwrap(),
            expected,
            "{idempotency:?}"
        );
    }
}
