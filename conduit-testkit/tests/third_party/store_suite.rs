//! The suite on the store: a clone of it is what the next process finds.
use std::sync::Arc;

use async_trait::async_trait;
use conduit_core::StateStore;
use conduit_testkit::store_suite::StoreHarness;
use third_party::store::CountingStore;

struct Harness;

#[async_trait]
impl StoreHarness for Harness {
    type Guard = CountingStore;

    async fn create(&self) -> (CountingStore, Arc<dyn StateStore>) {
        let store = CountingStore::default();
        (store.clone(), Arc::new(store))
    }

    async fn reopen(&self, guard: &CountingStore, _: Arc<dyn StateStore>) -> Arc<dyn StateStore> {
        Arc::new(guard.clone())
    }
}

conduit_testkit::state_store_suite!(Harness);
