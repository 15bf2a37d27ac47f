//! What the API does beside answering requests.

use std::time::Duration;

use crate::api::{App, finish_deletions};
use crate::catalog::CatalogError;

/// How long one attempt to initiate the replica set may take.
const REPLICA_SET_PATIENCE: Duration = Duration::from_secs(10);
/// How soon an unfinished deletion is tried again.
const DELETION_INTERVAL: Duration = Duration::from_secs(2);

/// Looks after what is configured: finishes deletions, and makes collections again that somebody else dropped.
pub(crate) struct Caretaker {
    app: App,
    uri: String,
}

impl Caretaker {
    pub(crate) fn new(app: App, uri: String) -> Self {
        Self { app, uri }
    }

    /// Does what has to be done before the API is ready, asking until MongoDB is there: initiates the replica set, finishes
    /// deletions that were cut short, encrypts secrets that are stored otherwise.
    pub(crate) async fn start(&self) {
        let mut wait = Duration::from_millis(100);
        while let Err(error) = conduit_mongo::initiate_replica_set(&self.uri, REPLICA_SET_PATIENCE).await {
            tracing::debug!(%error, "the replica set is not ready");
            pause(&mut wait).await;
        }
        let mut wait = Duration::from_millis(100);
        while !matches!(finish_deletions(&self.app).await, Ok(true)) {
            pause(&mut wait).await;
        }
        let mut wait = Duration::from_millis(100);
        let mut is_said = false;
        loop {
            match self.app.catalog.encrypt_stored().await {
                Ok(0) => return,
                Ok(collections) => {
                    tracing::info!(collections, "stored secrets were encrypted with the key in use");
                    return;
                }
                Err(error) if !is_said => {
                    tracing::warn!(%error, "stored secrets cannot be encrypted yet; the API is not ready before");
                    is_said = true;
                }
                Err(error) => tracing::debug!(%error, "stored secrets are not encrypted yet"),
            }
            pause(&mut wait).await;
        }
    }

    /// Goes on while the API serves: makes every collection what its configuration needs, then finishes deletions as they
    /// need it. Never ends.
    pub(crate) async fn run(&self) -> ! {
        if let Err(error) = self.restore_collections().await {
            tracing::warn!(%error, "what is configured is not compared to what is there");
        }
        loop {
            self.app.deletions.notified().await;
            while !matches!(finish_deletions(&self.app).await, Ok(true)) {
                tokio::time::sleep(DELETION_INTERVAL).await;
            }
        }
    }

    /// A collection that was dropped by hand lost its indexes and images, also if a write made it again.
    async fn restore_collections(&self) -> Result<(), CatalogError> {
        for entry in self.app.catalog.list().await? {
            let name = entry.config.collection_name.as_str();
            let _writing = self.app.writing.lock(name).await;
            // Asked again, since a request may have changed it meanwhile.
            let Some(entry) = self.app.catalog.get(name).await? else {
                continue;
            };
            if entry.deleting.is_none()
                && let Err(problem) = self.app.prepare(&entry.config).await
            {
                let reason = problem.detail();
                tracing::warn!(
                    collection = name,
                    reason,
                    "the collection is not what its configuration needs"
                );
            }
        }
        Ok(())
    }
}

/// Sleeps, a little longer each time.
pub(crate) async fn pause(wait: &mut Duration) {
    tokio::time::sleep(*wait).await;
    *wait = (*wait * 2).min(Duration::from_secs(5));
}
