//! Requests that tests of several stores make.

use std::time::Duration;

use conduit_core::{OpenRequest, Rewind, SubscriptionId, SubscriptionStart, WorkerId};
use conduit_testkit::store_suite::at;

/// A request of one subscription for a minute's lease.
pub(crate) fn request_of(of: &SubscriptionId) -> OpenRequest {
    OpenRequest {
        collection: of.collection.clone(),
        worker: WorkerId::new("w1"),
        lease_time: Duration::from_secs(60),
        evict: None,
        last_epoch: 0,
        subscriptions: vec![SubscriptionStart {
            destination: of.destination.clone(),
            start: at(0),
            life: at(0),
            rewind: Rewind::default(),
        }],
    }
}
