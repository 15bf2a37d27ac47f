//! What the engine tells, and to whom.

use std::sync::Arc;

use conduit_core::{CollectionName, Observer, Settlement};

use crate::metrics::Metrics;
use crate::tail::Tails;

/// Counts everything, and lets people look on.
#[derive(Debug)]
pub(crate) struct Observers {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tails: Tails,
}

impl Observer for Observers {
    fn settled(&self, settlement: &Settlement<'_>) {
        self.metrics.settled(settlement);
    }

    fn is_followed(&self, collection: &CollectionName) -> bool {
        self.tails.is_followed(collection)
    }

    fn followed(&self, settlement: &Settlement<'_>) {
        self.tails.tell(settlement);
    }
}
