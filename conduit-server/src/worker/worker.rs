//! Keeps the engine running what the configuration says.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::{
    CollectionName, CollectionSpec, Handle, RetryPolicy, StateStore, SubscriptionId, SubscriptionSpec,
};
use futures_util::FutureExt;
use tokio::time::Instant;

use super::marks::Marks;
use super::unusable::Unusable;
use crate::bulletin::Bulletin;
use crate::catalog::{Catalog, CatalogError, Entry};
use crate::destination_type::DestinationTypes;
use crate::history::History;
use crate::tail::Tails;

/// How soon a configuration that could not be read is asked for again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// The part of the server that feeds the engine.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) catalog: Catalog,
    pub(crate) store: Arc<dyn StateStore>,
    pub(crate) bulletin: Bulletin,
    pub(crate) handle: Handle,
    pub(crate) types: DestinationTypes,
    pub(crate) sync_interval: Duration,
    pub(crate) marks: Marks,
    pub(crate) unusable: Unusable,
    pub(crate) history: History,
    pub(crate) tails: Tails,
}

/// What the worker remembers between two looks at the configuration.
#[derive(Debug, Default)]
struct Memory {
    /// Collections of the last look, and those whose destinations are off with nothing left to drop.
    known: BTreeSet<CollectionName>,
    dropped: BTreeSet<SubscriptionId>,
    /// Collections that were deleted and may still be draining here.
    retired: BTreeSet<CollectionName>,
    is_failing: bool,
}

impl Worker {
    /// Follows the configuration: at every announced change, and at the latest every `sync_interval`.
    pub(crate) async fn follow(&self) {
        let mut changes = self.bulletin.changes();
        let mut memory = Memory::default();
        self.say_first_word().await;
        loop {
            let began = Instant::now();
            let told = self.bulletin.told();
            let looked = self.look(&mut memory).await;
            if looked.is_ok() {
                self.bulletin.note_followed(told);
            }
            let wait = match looked {
                Ok(()) if memory.retired.is_empty() => self.sync_interval,
                Ok(()) => RETRY_INTERVAL.min(self.sync_interval),
                Err(error) => {
                    if !memory.is_failing {
                        tracing::warn!(%error, "the configuration cannot be read; what runs goes on");
                    }
                    memory.is_failing = true;
                    RETRY_INTERVAL
                }
            };
            // At most half of the time is spent looking: of many changes at once, where a look is long, some are seen together.
            tokio::time::sleep(began.elapsed()).await;
            tokio::select! {
                () = changes.next() => {}
                () = tokio::time::sleep(wait) => {}
            }
            while changes.next().now_or_never().is_some() {}
        }
    }

    async fn look(&self, memory: &mut Memory) -> Result<(), CatalogError> {
        let catalog = self.catalog.clone();
        // In a task of its own, so that the driver's future runs to its end whatever happens to this one.
        let listing = tokio::spawn(async move { catalog.list().await }).await;
        let entries = listing.unwrap_or_else(|_died| Err(CatalogError::Changed))?;
        memory.is_failing = false;
        self.marks.learn(&entries);
        let configured = entries.iter().filter(|entry| entry.is_active());
        let configured = configured.flat_map(|entry| {
            let destinations = entry.config.destinations.iter();
            destinations.map(|destination| entry.config.subscription(destination))
        });
        self.unusable.keep(&configured.collect());
        let specs = entries
            .iter()
            .filter(|entry| entry.is_active())
            .filter_map(|entry| self.spec_of(entry))
            .collect();
        if let Err(error) = self.handle.set_collections(specs) {
            tracing::error!(%error, "the configuration contradicts itself");
        }
        let running = self
            .handle
            .status()
            .into_iter()
            .map(|status| status.collection)
            .collect();
        self.drop_disabled(&entries, &running, memory).await;
        self.drop_deleted(&entries, &running, memory).await;
        Ok(())
    }

    /// What the engine is to run of a collection. A destination that cannot be used rests with a reason.
    fn spec_of(&self, entry: &Entry) -> Option<CollectionSpec> {
        let mut spec = CollectionSpec::new(entry.config.target());
        for destination in &entry.config.destinations {
            // Every stream that is on has a start, since one write sets both.
            let start = entry.start_of(&destination.id)?;
            let id = entry.config.subscription(destination);
            let is_paused = entry.is_paused(&destination.id);
            // Read at every look, so that a file that has another secret by now restarts the subscription.
            let ready = destination.resolved(&self.types);
            let revision = ready.as_ref().unwrap_or(destination).revision();
            let usable = ready.and_then(|ready| {
                let sink = ready.sink(&entry.config.collection_name, &self.types)?;
                Ok((sink, ready.filter()?))
            });
            let mut subscription = match usable {
                Ok((sink, filter)) => {
                    self.unusable.clear(&id);
                    let subscription = SubscriptionSpec::new(destination.id.clone(), sink).paused(is_paused);
                    match filter {
                        Some(filter) => subscription.with_filter(filter),
                        None => subscription,
                    }
                }
                Err(faults) => {
                    let sink = self.unusable.note(&id, &faults);
                    SubscriptionSpec::new(destination.id.clone(), sink).paused(true)
                }
            };
            subscription = subscription
                .with_start(start)
                .with_revision(revision)
                .with_retry(RetryPolicy::with_max_retries(destination.max_retries))
                .with_rewind(entry.rewind_of(&destination.id));
            if let Some(mark) = entry.mark_of(&destination.id) {
                subscription = subscription.with_low_water_mark(mark.time);
            }
            spec = spec.with_subscription(subscription);
        }
        Some(spec)
    }

    /// A stream that was turned off loses its position and its waiting records; dead letters stay.
    async fn drop_disabled(
        &self,
        entries: &[Entry],
        running: &BTreeSet<CollectionName>,
        memory: &mut Memory,
    ) {
        for entry in entries {
            let collection = &entry.config.collection_name;
            for destination in &entry.config.destinations {
                let id = entry.config.subscription(destination);
                if entry.is_active() {
                    memory.dropped.remove(&id);
                    continue;
                }
                // Not while it is still being drained here; the engine's end is seen at the next look.
                if running.contains(collection) {
                    memory.retired.insert(collection.clone());
                    continue;
                }
                if !memory.dropped.contains(&id) && self.store.forget(&id).await.is_ok() {
                    memory.dropped.insert(id);
                }
            }
        }
    }

    /// What a draining subscription of a deleted collection wrote after its state was dropped is dropped again.
    async fn drop_deleted(&self, entries: &[Entry], running: &BTreeSet<CollectionName>, memory: &mut Memory) {
        let present: BTreeSet<CollectionName> = entries
            .iter()
            .map(|entry| entry.config.collection_name.clone())
            .collect();
        let gone: Vec<CollectionName> = memory.known.difference(&present).cloned().collect();
        memory.retired.extend(gone);
        let mut still = BTreeSet::new();
        for collection in std::mem::take(&mut memory.retired) {
            let is_done = if running.contains(&collection) {
                false
            } else {
                present.contains(&collection) || self.store.forget_collection(&collection).await.is_ok()
            };
            if !is_done {
                still.insert(collection);
            }
        }
        memory.retired = still;
        memory.known = present;
    }
}
