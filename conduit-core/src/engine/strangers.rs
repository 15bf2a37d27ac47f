//! State of destinations that the spec does not know.

use tokio::sync::watch;

use crate::value::DestinationId;

/// So many updates after the lease was taken decide: the first may have been read before.
const UPDATES_THAT_DECIDE: u64 = 2;

/// Subscriptions that the store knows and the spec, which may be older than their state, does not.
#[derive(Debug)]
pub(super) struct Strangers {
    ids: Vec<DestinationId>,
    updates: watch::Receiver<u64>,
    /// How many updates there had been when the lease was taken.
    before: u64,
}

impl Strangers {
    pub(super) fn new(ids: Vec<DestinationId>, mut updates: watch::Receiver<u64>) -> Self {
        let before = *updates.borrow_and_update();
        Self { ids, updates, before }
    }

    /// Waits for an update, for ever if there is nothing to decide. Cancel-safe.
    pub(super) async fn updated(&mut self) {
        if self.ids.is_empty() || self.updates.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// Returns them once it is decided that none came late.
    pub(super) fn take_decided(&mut self) -> Vec<DestinationId> {
        if *self.updates.borrow() - self.before < UPDATES_THAT_DECIDE {
            return Vec::new();
        }
        std::mem::take(&mut self.ids)
    }
}
