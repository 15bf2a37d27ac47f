//! Destinations that this worker cannot use as they are configured.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use conduit_core::{
    CollectionStatus, Delivery, RecordBatch, Sink, SinkError, SinkLimits, SubscriptionId, SubscriptionPhase,
};

use crate::destination_type::SettingFault;

/// Which destinations cannot be used, and why: what they are configured with is not allowed here, or not any more.
///
/// Each rests by itself, with its position and what waits: left out it would count as removed and lose them, and the other
/// destinations of the collection go on. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unusable(Arc<Mutex<HashMap<SubscriptionId, String>>>);

impl Unusable {
    /// Notes what is wrong with a destination, and returns what stands in for its sink. Logged once.
    pub(super) fn note(&self, id: &SubscriptionId, faults: &[SettingFault]) -> UnusableSink {
        let faults: Vec<String> = faults.iter().map(SettingFault::to_string).collect();
        let reason = format!("cannot be used here: {}", faults.join("; "));
        if self.reasons().insert(id.clone(), reason.clone()).as_ref() != Some(&reason) {
            tracing::error!(collection = %id.collection, destination = %id.destination, reason, "the destination rests until its configuration or the server's is mended");
        }
        UnusableSink(reason)
    }

    /// Notes that a destination can be used.
    pub(super) fn clear(&self, id: &SubscriptionId) {
        self.reasons().remove(id);
    }

    /// Forgets those that are not configured any more.
    pub(super) fn keep(&self, configured: &HashSet<SubscriptionId>) {
        self.reasons().retain(|id, _| configured.contains(id));
    }

    /// Says in a worker's status what rests, and why.
    pub(crate) fn tell(&self, mut status: Vec<CollectionStatus>) -> Vec<CollectionStatus> {
        let reasons = self.reasons();
        if reasons.is_empty() {
            return status;
        }
        for collection in &mut status {
            for destination in &mut collection.destinations {
                let id = SubscriptionId {
                    collection: collection.collection.clone(),
                    destination: destination.id.clone(),
                };
                if let Some(reason) = reasons.get(&id)
                    && destination.phase == SubscriptionPhase::Paused
                {
                    destination.phase = SubscriptionPhase::Halted;
                    destination.reason = Some(reason.clone());
                }
            }
        }
        status
    }

    fn reasons(&self) -> MutexGuard<'_, HashMap<SubscriptionId, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stands in for the sink of a destination that cannot be used, and sends nothing.
#[derive(Debug)]
pub(super) struct UnusableSink(String);

#[async_trait]
impl Sink for UnusableSink {
    fn limits(&self) -> SinkLimits {
        SinkLimits::default()
    }

    async fn deliver(&self, _batch: &RecordBatch) -> Result<Delivery, SinkError> {
        Err(SinkError::unavailable(self.0.clone()))
    }
}
