//! The store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use conduit_core::{
    Clock, CollectionName, Commit, Lease, LetterSelection, OpenRequest, Opened, ProcessedId, QueueLengths,
    RetryId, StateError, StateStore, StoredLetter, SubscriptionId, SubscriptionStart, SubscriptionState,
    SystemClock, WaitingRecord,
};

use super::collection::Collection;
use crate::refusal;
use crate::rules::{self, LeaseRow};

/// Keeps state in memory: it lives as long as the last clone of the store.
///
/// For tests and simulations, and for programs that are content to start anew. Clones share the same state, so a
/// clone stands for what another process would find. Every call answers without waiting. Processed ids are kept
/// for 24 hours and not bounded in number.
///
/// ```
/// use conduit_core::StateStore;
/// use conduit_state::MemoryStore;
///
/// # async fn example() -> Result<(), conduit_core::StateError> {
/// let store = MemoryStore::new();
/// store.ping().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Clone, Debug, Default)]
struct Shared {
    epoch: u64,
    collections: HashMap<CollectionName, Collection>,
}

impl MemoryStore {
    /// Makes an empty store that goes by the operating system's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// Makes an empty store whose leases and processed ids expire by `clock`.
    #[must_use]
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            shared: Arc::default(),
        }
    }

    /// Makes a store of its own with the state as it is now: the image that a crash would leave. Neither sees what
    /// happens to the other.
    #[must_use]
    pub fn image(&self) -> Self {
        let state = self.shared().clone();
        Self {
            clock: Arc::clone(&self.clock),
            shared: Arc::new(Mutex::new(state)),
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // Nothing panics while the lock is held; if it did, each collection would still be whole.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl StateStore for MemoryStore {
    async fn open(&self, request: &OpenRequest) -> Result<Opened, StateError> {
        let now = self.clock.now();
        let mut shared = self.shared();
        let Shared { epoch, collections } = &mut *shared;
        let collection = collections.entry(request.collection.clone()).or_default();
        if let Some((by, remaining)) = collection
            .lease
            .as_ref()
            .and_then(|row| row.in_the_way(request, now))
        {
            return Ok(Opened::Held { by, remaining });
        }
        *epoch = request.last_epoch.max(*epoch) + 1;
        collection.lease = Some(LeaseRow::taken(&request.worker, *epoch, now, request.lease_time));
        let (worker, epoch) = (request.worker.clone(), *epoch);
        let lease = Lease {
            collection: request.collection.clone(),
            worker,
            epoch,
        };
        let states = request
            .subscriptions
            .iter()
            .map(|wanted| collection.load(&lease, wanted))
            .collect();
        let others = collection.others(&request.subscriptions);
        Ok(Opened::Taken {
            lease,
            states,
            others,
        })
    }

    async fn load(
        &self,
        lease: &Lease,
        subscriptions: &[SubscriptionStart],
    ) -> Result<Vec<SubscriptionState>, StateError> {
        let mut shared = self.shared();
        let collection = shared
            .collections
            .get_mut(&lease.collection)
            .ok_or_else(|| refusal::fenced(lease))?;
        rules::hold(collection.lease.as_ref(), lease)?;
        Ok(subscriptions
            .iter()
            .map(|wanted| collection.load(lease, wanted))
            .collect())
    }

    async fn renew(
        &self,
        leases: &[Lease],
        lease_time: Duration,
    ) -> Result<Vec<Result<(), StateError>>, StateError> {
        let until = self.clock.now().after(lease_time);
        let mut shared = self.shared();
        let renew = |lease: &Lease| {
            let row = shared
                .collections
                .get_mut(&lease.collection)
                .and_then(|found| found.lease.as_mut());
            rules::hold(row.as_deref(), lease)?;
            if let Some(row) = row {
                row.until = until;
            }
            Ok(())
        };
        Ok(leases.iter().map(renew).collect())
    }

    async fn release(&self, lease: &Lease) -> Result<(), StateError> {
        let mut shared = self.shared();
        let row = shared
            .collections
            .get_mut(&lease.collection)
            .and_then(|found| found.lease.as_mut());
        if let Some(row) = row.filter(|row| row.is(lease)) {
            row.worker = None;
        }
        Ok(())
    }

    async fn commit(&self, commits: &[Commit]) -> Vec<Result<(), StateError>> {
        let now = self.clock.now();
        let mut shared = self.shared();
        let commit = |commit: &Commit| {
            refusal::check(commit)?;
            let collection = shared.collections.get_mut(&commit.subscription.collection);
            collection
                .ok_or_else(|| refusal::fenced(&commit.lease))?
                .commit(commit, now)
        };
        commits.iter().map(commit).collect()
    }

    async fn waiting(
        &self,
        subscription: &SubscriptionId,
        ids: &[RetryId],
    ) -> Result<Vec<Option<WaitingRecord>>, StateError> {
        let shared = self.shared();
        let collection = shared.collections.get(&subscription.collection);
        Ok(ids
            .iter()
            .map(|id| collection?.waiting(&subscription.destination, *id))
            .collect())
    }

    async fn processed(
        &self,
        subscription: &SubscriptionId,
        ids: &[ProcessedId],
    ) -> Result<Vec<bool>, StateError> {
        let now = self.clock.now();
        let mut shared = self.shared();
        let Some(collection) = shared.collections.get_mut(&subscription.collection) else {
            return Ok(vec![false; ids.len()]);
        };
        Ok(ids
            .iter()
            .map(|id| collection.is_processed(&subscription.destination, id, now))
            .collect())
    }

    async fn dead_letters(
        &self,
        collection: &CollectionName,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<String>, StateError> {
        let shared = self.shared();
        Ok(shared
            .collections
            .get(collection)
            .map_or_else(Vec::new, |found| found.dead.page(after, limit)))
    }

    async fn lengths(&self, subscriptions: &[SubscriptionId]) -> Result<Vec<QueueLengths>, StateError> {
        let shared = self.shared();
        let lengths = |subscription: &SubscriptionId| {
            let collection = shared.collections.get(&subscription.collection);
            collection.map_or_else(QueueLengths::default, |found| {
                found.lengths(&subscription.destination)
            })
        };
        Ok(subscriptions.iter().map(lengths).collect())
    }

    async fn letters(
        &self,
        collection: &CollectionName,
        selection: &LetterSelection,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<StoredLetter>, StateError> {
        let shared = self.shared();
        let collection = shared.collections.get(collection);
        Ok(collection.map_or_else(Vec::new, |found| found.dead.select(selection, after, limit)))
    }

    async fn purge_dead_letters(
        &self,
        collection: &CollectionName,
        selection: &LetterSelection,
    ) -> Result<u64, StateError> {
        let mut shared = self.shared();
        let collection = shared.collections.get_mut(collection);
        Ok(collection.map_or(0, |found| found.dead.purge(selection)))
    }

    async fn forget(&self, subscription: &SubscriptionId) -> Result<(), StateError> {
        if let Some(collection) = self.shared().collections.get_mut(&subscription.collection) {
            collection.forget(&subscription.destination);
        }
        Ok(())
    }

    async fn forget_collection(&self, collection: &CollectionName) -> Result<(), StateError> {
        // Its processed ids are in it.
        self.shared().collections.remove(collection);
        Ok(())
    }

    async fn ping(&self) -> Result<(), StateError> {
        Ok(())
    }
}
