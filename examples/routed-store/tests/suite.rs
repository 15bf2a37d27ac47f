//! The conformance suite on the store, with `orders` in a file of its own.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use conduit_core::StateStore;
use conduit_state::{EmbeddedSettings, EmbeddedStore};
use conduit_testkit::store_suite::{StoreHarness, collection};
use routed_store::RoutedStore;
use tempfile::TempDir;

struct Harness;

async fn open(folder: &Path) -> Arc<dyn StateStore> {
    let file = async |name: &str| {
        let store = EmbeddedStore::open(folder.join(name), EmbeddedSettings::default()).await;
        Arc::new(store.unwrap())
    };
    let store = RoutedStore::new(file("others").await).with_route(collection("orders"), file("orders").await);
    Arc::new(store)
}

#[async_trait]
impl StoreHarness for Harness {
    type Guard = TempDir;

    async fn create(&self) -> (TempDir, Arc<dyn StateStore>) {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).await;
        (folder, store)
    }

    async fn reopen(&self, folder: &TempDir, store: Arc<dyn StateStore>) -> Arc<dyn StateStore> {
        drop(store);
        open(folder.path()).await
    }
}

conduit_testkit::state_store_suite!(Harness);
