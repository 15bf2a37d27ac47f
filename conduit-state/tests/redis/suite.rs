//! The conformance suite.

use std::sync::Arc;

use async_trait::async_trait;

use conduit_core::StateStore;
use conduit_state::{RedisSettings, RedisStore};
use conduit_testkit::servers::RedisServer;
use conduit_testkit::store_suite::StoreHarness;

struct Harness;

#[async_trait]
impl StoreHarness for Harness {
    type Guard = RedisServer;

    async fn create(&self) -> (RedisServer, Arc<dyn StateStore>) {
        let server = RedisServer::start().await.unwrap();
        let store = RedisStore::connect(&server.uri(), RedisSettings::default()).unwrap();
        (server, Arc::new(store))
    }

    async fn reopen(&self, server: &RedisServer, store: Arc<dyn StateStore>) -> Arc<dyn StateStore> {
        drop(store);
        Arc::new(RedisStore::connect(&server.uri(), RedisSettings::default()).unwrap())
    }
}

conduit_testkit::state_store_suite!(Harness);
