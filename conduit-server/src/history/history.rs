//! The newest look at MongoDB's oplog.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use conduit_core::{SubscriptionPhase, SubscriptionStatus};
use conduit_mongo::{OplogAnswer, OplogWindow, describe};
use mongodb::Database;
use tokio::time::Instant;

/// How often a process looks.
const INTERVAL: Duration = Duration::from_secs(10);
/// How soon it looks again while nothing is known yet.
const FIRST_INTERVAL: Duration = Duration::from_secs(1);
/// How old a look may be that still says something.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

/// How far back MongoDB's history reaches: one look every ten seconds for a whole process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    newest: Arc<Mutex<Option<(Instant, OplogWindow)>>>,
}

impl History {
    /// Returns what the oplog holds; nothing where that is not known.
    pub(crate) fn window(&self) -> Option<OplogWindow> {
        let newest = *self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, window) = newest?;
        (at.elapsed() <= LONGEST_SILENCE).then_some(window)
    }

    /// Looks again and again, and says once if it may not. Never ends.
    pub(crate) async fn watch(&self, database: &Database) {
        let mut is_told = false;
        loop {
            let database = database.clone();
            // In a task of its own: a driver's future is never dropped midway.
            let looking = tokio::spawn(async move { OplogWindow::read(&database).await });
            match looking.await {
                Ok(Ok(OplogAnswer::Window(window))) => {
                    let newest = Some((Instant::now(), window));
                    *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = newest;
                    is_told = false;
                }
                Ok(Ok(OplogAnswer::NotAllowed)) if !is_told => {
                    is_told = true;
                    tracing::warn!(
                        "it is not known how long MongoDB keeps its history: the user may not read local.oplog.rs; \
                         in mongosh: db.getSiblingDB(\"admin\").grantRolesToUser(USER, [{{role: \"read\", db: \"local\"}}])"
                    );
                }
                Ok(Ok(OplogAnswer::None)) if !is_told => {
                    is_told = true;
                    tracing::info!(
                        "it is not known how long MongoDB keeps its history: there is no one oplog to look at"
                    );
                }
                Ok(Err(error)) => {
                    tracing::debug!(error = describe(&error), "the oplog cannot be looked at");
                }
                // Whatever it is that died: the next look is another task.
                Ok(Ok(_)) | Err(_) => {}
            }
            let wait = match self.window() {
                None if !is_told => FIRST_INTERVAL,
                _ => INTERVAL,
            };
            tokio::time::sleep(wait).await;
        }
    }
}

/// Returns how long MongoDB keeps what a subscription has to read next; nothing where that is not known.
pub(crate) fn left(status: &SubscriptionStatus, window: Option<OplogWindow>) -> Option<Duration> {
    // Who only waits for the lease does not know how far its holder came.
    if status.phase == SubscriptionPhase::WaitingForLease {
        return None;
    }
    Some(window?.left(status.position_time?))
}
