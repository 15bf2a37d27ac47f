//! Shows the worker to others, and learns which others there are.

use std::time::Duration;

use conduit_core::{CollectionStatus, SubscriptionPhase};
use tokio::time::Instant;

use super::Worker;

/// How often the status is published.
const INTERVAL: Duration = Duration::from_secs(1);
/// How soon a change of what a destination is doing is published.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// How long the first word of a worker may take before it goes on without.
const FIRST_WORD_PATIENCE: Duration = Duration::from_secs(2);

impl Worker {
    /// Publishes the status every second, and sooner when a destination does something else; learns which workers there
    /// are; takes the status back in the end.
    pub(crate) async fn publish_status(&self, mut stop: tokio::sync::oneshot::Receiver<()>) {
        loop {
            let published = Instant::now();
            let status = self.status();
            let shown = phases(&status);
            self.meet(status).await;
            loop {
                tokio::select! {
                    _ = &mut stop => return self.take_leave().await,
                    () = tokio::time::sleep(LOOK_INTERVAL) => {}
                }
                if published.elapsed() >= INTERVAL || phases(&self.status()) != shown {
                    break;
                }
            }
        }
    }

    /// Says that it is there, and learns who else is, before it asks for any lease: so that workers which start together
    /// share the collections from the beginning. A store that does not answer is not waited for.
    pub(super) async fn say_first_word(&self) {
        let meeting = self.meet(self.status());
        if tokio::time::timeout(FIRST_WORD_PATIENCE, meeting).await.is_err() {
            tracing::debug!("going on without knowing of other workers");
        }
    }

    async fn meet(&self, status: Vec<CollectionStatus>) {
        let us = self.handle.worker();
        if let Err(error) = self.bulletin.put_status(us, status).await {
            tracing::debug!(%error, "the status is not published");
        }
        // While it is not known who is there, those that were are taken to be there still.
        match self.bulletin.published().await {
            Ok(published) => {
                let mut peers: Vec<_> = published.into_iter().map(|(worker, _)| worker).collect();
                peers.push(us.clone());
                peers.sort_unstable();
                peers.dedup();
                self.handle.set_peers(peers);
            }
            Err(error) => tracing::debug!(%error, "it is not known which workers there are"),
        }
    }

    /// What the engine says, and which destinations cannot be used.
    fn status(&self) -> Vec<CollectionStatus> {
        self.unusable.tell(self.handle.status())
    }

    async fn take_leave(&self) {
        if let Err(error) = self.bulletin.drop_status(self.handle.worker()).await {
            tracing::debug!(%error, "the status stays until it is too old");
        }
    }
}

/// What is published at once when it changes.
fn phases(status: &[CollectionStatus]) -> Vec<(SubscriptionPhase, Option<String>)> {
    let destinations = status.iter().flat_map(|collection| &collection.destinations);
    destinations
        .map(|status| (status.phase, status.reason.clone()))
        .collect()
}
