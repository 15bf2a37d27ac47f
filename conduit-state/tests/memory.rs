//! The conformance suite on the store in memory.
#![cfg(feature = "memory")]
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use conduit_core::{CollectionName, Lease, OpenRequest, Opened, StateStore, WorkerId};
use conduit_state::MemoryStore;
use conduit_testkit::store_suite::StoreHarness;

mod support;

use support::SetClock;

struct Harness;

struct Guard {
    clock: Arc<SetClock>,
    store: MemoryStore,
}

#[async_trait]
impl StoreHarness for Harness {
    type Guard = Guard;

    async fn create(&self) -> (Guard, Arc<dyn StateStore>) {
        let clock = Arc::new(SetClock::default());
        let store = MemoryStore::with_clock(clock.clone());
        (
            Guard {
                clock,
                store: store.clone(),
            },
            Arc::new(store),
        )
    }

    async fn reopen(&self, guard: &Guard, store: Arc<dyn StateStore>) -> Arc<dyn StateStore> {
        drop(store);
        Arc::new(guard.store.clone())
    }

    async fn pass_time(&self, guard: &Guard, time: Duration) {
        guard.clock.pass(time);
    }
}

conduit_testkit::state_store_suite!(Harness);

#[tokio::test]
async fn processed_ids_are_forgotten_after_a_day() {
    let (guard, store) = Harness.create().await;
    support::processed_ids_are_forgotten_a_day_after_they_were_last_written(&*store, &guard.clock).await;
}

#[tokio::test]
async fn an_image_and_its_store_do_not_see_each_other() {
    let store = MemoryStore::new();
    let lease = open(&store, "a").await;
    let image = store.image();
    store.release(&lease).await.unwrap();
    open(&store, "b").await;
    let held = image.open(&request("c")).await.unwrap();
    assert!(matches!(held, Opened::Held { by, .. } if by.as_str() == "a"));
}

fn request(worker: &'static str) -> OpenRequest {
    OpenRequest {
        collection: CollectionName::new("c").unwrap(),
        worker: WorkerId::new(worker),
        lease_time: Duration::from_secs(60),
        evict: None,
        last_epoch: 0,
        subscriptions: Vec::new(),
    }
}

async fn open(store: &MemoryStore, worker: &'static str) -> Lease {
    match store.open(&request(worker)).await.unwrap() {
        Opened::Taken { lease, .. } => lease,
        Opened::Held { by, .. } => panic!("held by {by}"),
    }
}
