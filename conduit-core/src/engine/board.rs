//! Where the status of everything that an engine runs can be read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::status::{StatusCell, SubscriptionStatus};
use super::watchdog::Change;
use crate::value::{CollectionName, DestinationId, SubscriptionId, WallTime, WorkerId};

/// A collection as seen from outside.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CollectionStatus {
    /// The collection.
    pub collection: CollectionName,
    /// Who holds its lease, as far as this engine knows.
    pub holder: Option<WorkerId>,
    /// Its destinations, by id.
    pub destinations: Vec<SubscriptionStatus>,
}

#[derive(Debug, Default)]
pub(crate) struct Board {
    collections: Mutex<BTreeMap<CollectionName, Entry>>,
}

#[derive(Debug, Default)]
struct Entry {
    holder: Option<WorkerId>,
    cells: BTreeMap<DestinationId, Arc<StatusCell>>,
}

impl Board {
    fn collections(&self) -> MutexGuard<'_, BTreeMap<CollectionName, Entry>> {
        self.collections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_holder(&self, collection: &CollectionName, holder: Option<WorkerId>) {
        self.collections().entry(collection.clone()).or_default().holder = holder;
    }

    /// Puts a subscription on the board, keeping the counters of an earlier run of it.
    pub(crate) fn cell(
        &self,
        collection: &CollectionName,
        destination: &DestinationId,
        make: impl FnOnce() -> StatusCell,
    ) -> Arc<StatusCell> {
        let mut collections = self.collections();
        let cells = &mut collections.entry(collection.clone()).or_default().cells;
        Arc::clone(
            cells
                .entry(destination.clone())
                .or_insert_with(|| Arc::new(make())),
        )
    }

    /// Leaves only the subscriptions that `keep` wants on the board.
    pub(crate) fn retain(&self, collection: &CollectionName, keep: impl Fn(&DestinationId) -> bool) {
        if let Some(entry) = self.collections().get_mut(collection) {
            entry.cells.retain(|destination, _| keep(destination));
        }
    }

    pub(crate) fn remove(&self, collection: &CollectionName) {
        self.collections().remove(collection);
    }

    /// Looks which subscriptions are stuck; returns those of which there is something new to say.
    pub(crate) fn watch(&self, now: Instant, awake_since: Instant) -> Vec<(SubscriptionId, Change)> {
        let collections = self.collections();
        let cells = collections.iter().flat_map(|(collection, entry)| {
            let cells = entry.cells.iter();
            cells.map(move |(destination, cell)| (collection, destination, cell))
        });
        let changes = cells.filter_map(|(collection, destination, cell)| {
            let id = || SubscriptionId {
                collection: collection.clone(),
                destination: destination.clone(),
            };
            cell.watch(now, awake_since).map(|change| (id(), change))
        });
        changes.collect()
    }

    pub(crate) fn snapshot(&self, now: WallTime) -> Vec<CollectionStatus> {
        let collections = self.collections();
        let statuses = collections.iter().map(|(collection, entry)| CollectionStatus {
            collection: collection.clone(),
            holder: entry.holder.clone(),
            destinations: entry.cells.values().map(|cell| cell.snapshot(now)).collect(),
        });
        statuses.collect()
    }
}
