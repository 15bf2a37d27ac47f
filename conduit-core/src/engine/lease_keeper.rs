//! Renews all leases of a worker together.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::stop::StopSignal;
use crate::contract::{Lease, StateErrorKind, StateStore};
use crate::delivery::LeaseGuard;
use crate::value::CollectionName;

/// Keeps the leases of a worker alive, and says when one is lost.
#[derive(Debug)]
pub(crate) struct LeaseKeeper {
    store: Arc<dyn StateStore>,
    lease_time: Duration,
    held: Mutex<HashMap<CollectionName, (Lease, Arc<LeaseGuard>)>>,
    last_epoch: AtomicU64,
}

impl LeaseKeeper {
    pub(crate) fn new(store: Arc<dyn StateStore>, lease_time: Duration) -> Self {
        Self {
            store,
            lease_time,
            held: Mutex::default(),
            last_epoch: AtomicU64::new(0),
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<CollectionName, (Lease, Arc<LeaseGuard>)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a lease that was asked for at `asked`: it is counted from before the store did, so that this side never
    /// believes in it longer than the store.
    pub(crate) fn keep(&self, lease: &Lease, asked: Instant) -> Arc<LeaseGuard> {
        let guard = LeaseGuard::new(asked + self.lease_time);
        self.last_epoch.fetch_max(lease.epoch, Ordering::Relaxed);
        self.held()
            .insert(lease.collection.clone(), (lease.clone(), Arc::clone(&guard)));
        guard
    }

    /// Returns the newest epoch of all leases that were kept; 0 if there were none.
    pub(crate) fn last_epoch(&self) -> u64 {
        self.last_epoch.load(Ordering::Relaxed)
    }

    /// Stops keeping a collection's lease.
    pub(crate) fn drop_lease(&self, collection: &CollectionName) {
        self.held().remove(collection);
    }

    /// Renews until told to stop.
    pub(crate) async fn run(&self, mut stop: StopSignal) {
        loop {
            tokio::select! {
                _ = stop.stopped() => return,
                () = tokio::time::sleep(self.lease_time / 3) => {}
            }
            let held: Vec<(Lease, Arc<LeaseGuard>)> = self.held().values().cloned().collect();
            if held.is_empty() {
                continue;
            }
            let leases: Vec<Lease> = held.iter().map(|(lease, _)| lease.clone()).collect();
            let asked = Instant::now();
            let answers = tokio::select! {
                _ = stop.stopped() => return,
                answers = self.store.renew(&leases, self.lease_time) => answers,
            };
            // No answer is no loss: calls wait once the lease has expired by our own clock.
            let Ok(answers) = answers else { continue };
            for ((lease, guard), answer) in held.into_iter().zip(answers) {
                match answer {
                    Ok(()) => guard.renewed(asked + self.lease_time),
                    Err(error) if error.kind() == StateErrorKind::Fenced => {
                        tracing::warn!(collection = %lease.collection, "the lease is lost to another worker");
                        guard.lose();
                    }
                    Err(_) => {}
                }
            }
        }
    }
}
