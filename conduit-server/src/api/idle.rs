//! Destinations that are configured but that no running subscription speaks of, such as those of a stream that is off.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::{CollectionStatus, QueueLengths, StateStore, SubscriptionId};

use crate::catalog::{Catalog, Destination, Entry};
use crate::health::{Dependency, Health};

/// How long both servers may take together; whoever asks is not to wait for them.
const PATIENCE: Duration = Duration::from_secs(1);

/// A destination that is configured and that nobody runs.
#[derive(Clone, Debug)]
pub(crate) struct IdleDestination {
    pub(crate) id: SubscriptionId,
    /// As in the status: `disabled`, `paused` or `starting`.
    pub(crate) state: &'static str,
    pub(crate) lengths: QueueLengths,
}

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

    /// Returns every configured destination that is not among `running`; none if a server is down or slow.
    pub(crate) async fn destinations(
        &self,
        health: &Health,
        running: &[CollectionStatus],
    ) -> Vec<IdleDestination> {
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
            Ok(Ok(Some(idle))) => idle,
            _ => Vec::new(),
        }
    }

    async fn ask(self, known: HashSet<SubscriptionId>) -> Option<Vec<IdleDestination>> {
        let entries = self.catalog.list().await.ok()?;
        let configured = entries
            .iter()
            .filter(|entry| entry.deleting.is_none())
            .flat_map(|entry| {
                let destinations = entry.config.destinations.iter();
                destinations
                    .map(|destination| (entry.config.subscription(destination), state(entry, destination)))
            });
        let (idle, states): (Vec<SubscriptionId>, Vec<&'static str>) =
            configured.filter(|(id, _)| !known.contains(id)).unzip();
        if idle.is_empty() {
            return Some(Vec::new());
        }
        let lengths = self.store.lengths(&idle).await.ok()?;
        let idle = idle.into_iter().zip(states).zip(lengths);
        let idle = idle.map(|((id, state), lengths)| IdleDestination { id, state, lengths });
        Some(idle.collect())
    }
}

/// The state of a destination that nobody runs.
fn state(entry: &Entry, destination: &Destination) -> &'static str {
    if !entry.is_active() {
        "disabled"
    } else if entry.is_paused(&destination.id) {
        "paused"
    } else {
        "starting"
    }
}
