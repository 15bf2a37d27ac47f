//! Destinations that are configured but that no running subscription speaks of, such as those of a stream that is off.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::{CollectionStatus, QueueLengths, StateStore, SubscriptionId};

use crate::catalog::Catalog;
use crate::health::{Dependency, Health};

/// How long both servers may take together; whoever asks is not to wait for them.
const PATIENCE: Duration = Duration::from_secs(1);

/// Looks up the queues of idle destinations. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Idle {
    catalog: Catalog,
    store: Arc<dyn StateStore>,
}

impl Idle {
    pub(crate) fn new(catalog: Catalog, store: Arc<dyn StateStore>) -> Self {
        Self { catalog, store }
    }

    /// Returns the queues of every configured destination that is not among `running`; none if a server is down or slow.
    pub(crate) async fn lengths(
        &self,
        health: &Health,
        running: &[CollectionStatus],
    ) -> Vec<(SubscriptionId, QueueLengths)> {
        let state = health.snapshot();
        if state.mongodb != Dependency::Up || state.state_store != Dependency::Up {
            return Vec::new();
        }
        let known = running.iter().flat_map(|collection| {
            let name = &collection.collection;
            collection.destinations.iter().map(|status| SubscriptionId {
                collection: name.clone(),
                destination: status.id.clone(),
            })
        });
        let asking = tokio::spawn(self.clone().ask(known.collect()));
        // In a task of its own, which the driver's time-outs bound: its future is not dropped midway.
        match tokio::time::timeout(PATIENCE, asking).await {
            Ok(Ok(Some(lengths))) => lengths,
            _ => Vec::new(),
        }
    }

    async fn ask(self, known: HashSet<SubscriptionId>) -> Option<Vec<(SubscriptionId, QueueLengths)>> {
        let entries = self.catalog.list().await.ok()?;
        let configured = entries
            .iter()
            .filter(|entry| entry.deleting.is_none())
            .flat_map(|entry| {
                entry
                    .config
                    .destinations
                    .iter()
                    .map(|destination| entry.config.subscription(destination))
            });
        let idle: Vec<SubscriptionId> = configured.filter(|id| !known.contains(id)).collect();
        if idle.is_empty() {
            return Some(Vec::new());
        }
        let lengths = self.store.lengths(&idle).await.ok()?;
        Some(idle.into_iter().zip(lengths).collect())
    }
}
