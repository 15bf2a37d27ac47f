//! What the suite needs to know of the watcher under test.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use conduit_core::{Position, WatchTarget, Watcher};

use super::{Change, Scene};
use crate::clause;
use crate::store_suite::collection;

/// Makes sources for the suite, changes what is in them, and makes watchers of them.
///
/// The suite watches the collections `orders` and `users`; `elsewhere` changes unwatched.
#[async_trait]
pub trait WatcherHarness: Send + Sync + 'static {
    /// The source: what must live as long as the watcher, and is changed.
    type Guard: Send + Sync;

    /// Makes a source without documents, nothing of it shared with another one, and a watcher of it.
    async fn create(&self) -> (Self::Guard, Arc<dyn Watcher>);

    /// Makes a change and returns when the source has acknowledged it.
    ///
    /// # Errors
    /// The reason why the source knows no such change; the clauses that need it are then left out, and the
    /// reason is shown.
    async fn change(&self, guard: &Self::Guard, change: &Change<'_>) -> Result<(), &'static str>;

    /// The target of a collection whose key is the field `group`. Asked for before the collection changes.
    ///
    /// # Errors
    /// The reason why there are no key schemas.
    fn keyed_target(&self, guard: &Self::Guard, name: &str) -> Result<WatchTarget, &'static str> {
        let _ = guard;
        Ok(WatchTarget {
            key_fields: vec!["group".to_owned()],
            ..WatchTarget::new(collection(name))
        })
    }

    /// Returns a position whose history the source has no more.
    ///
    /// # Errors
    /// The reason why there is none.
    async fn lost_position(&self, guard: &Self::Guard) -> Result<Position, &'static str> {
        let _ = guard;
        Err("the harness has no `lost_position`")
    }

    /// How long what must come may take to come: a change, a newer position.
    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }

    /// Removes what was made at the source, after a clause that passed.
    async fn remove(&self, guard: Self::Guard) {
        drop(guard);
    }

    /// The clauses that are left out, each with the reason, which is printed.
    fn skips(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
}

/// Runs one clause, unless the harness leaves it out. Called by the tests that `watcher_suite!` makes.
///
/// # Panics
/// If the watcher breaks the clause.
pub fn run<H: WatcherHarness>(name: &'static str, harness: H, clause: impl AsyncFnOnce(&Scene<H>)) {
    clause::run(name, harness.skips(), || async {
        let scene = Scene::set(name, harness).await;
        clause(&scene).await;
        scene.remove().await;
    });
}

/// Checks that every clause that the harness leaves out is one.
///
/// # Panics
/// If one is not.
pub fn check_skips(harness: &impl WatcherHarness, clauses: &[&str]) {
    clause::check_skips(harness.skips(), clauses);
}
