//! What the suite needs to know of the store under test.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use conduit_core::StateStore;

use super::Scene;
use crate::clause;

/// Makes stores for the suite.
#[async_trait]
pub trait StoreHarness: Send + Sync + 'static {
    /// What must live as long as the state: a temporary directory, a server.
    type Guard: Send + Sync;

    /// Makes an empty store, nothing of it shared with another one.
    async fn create(&self) -> (Self::Guard, Arc<dyn StateStore>);

    /// Drops `store` and opens the same state again, as the next process would.
    async fn reopen(&self, guard: &Self::Guard, store: Arc<dyn StateStore>) -> Arc<dyn StateStore>;

    /// Lets time pass on the store's clock. A harness that can set that clock does so; by default it is waited.
    /// The suite asks for a fraction of a second at most.
    async fn pass_time(&self, guard: &Self::Guard, time: Duration) {
        let _ = guard;
        tokio::time::sleep(time).await;
    }

    /// The clauses that are left out, each with the reason, which is printed.
    fn skips(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
}

/// Runs one clause, unless the harness leaves it out. Called by the tests that `state_store_suite!` makes.
///
/// # Panics
/// If the store breaks the clause.
pub fn run<H, F>(name: &str, harness: H, clause: impl FnOnce(Scene<H>) -> F)
where
    H: StoreHarness,
    F: Future<Output = ()>,
{
    clause::run(name, harness.skips(), || async {
        clause(Scene::set(harness).await).await
    });
}

/// Checks that every clause that the harness leaves out is one.
///
/// # Panics
/// If one is not.
pub fn check_skips(harness: &impl StoreHarness, clauses: &[&str]) {
    clause::check_skips(harness.skips(), clauses);
}
