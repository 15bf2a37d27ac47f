//! What all parts of an engine share.

use std::sync::Arc;

use super::budget::Budget;
use super::committer::Committer;
use super::hub::Hub;
use super::settings::Settings;
use super::worker_identity::WorkerIdentity;
use crate::contract::{Observer, StateStore, Watcher};
use crate::delivery::Endpoints;
use crate::value::{Clock, RecordKey, SubscriptionId};

/// The parts and settings of an engine.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) watcher: Arc<dyn Watcher>,
    pub(crate) store: Arc<dyn StateStore>,
    pub(crate) committer: Committer,
    pub(crate) hub: Hub,
    pub(crate) budget: Arc<Budget>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) settings: Settings,
    pub(crate) worker: WorkerIdentity,
    pub(crate) endpoints: Endpoints,
}

impl Context {
    /// Returns the seed of a subscription's randomness: its own, and the same in every run with the same settings.
    pub(crate) fn seed_for(&self, id: &SubscriptionId) -> u64 {
        let seed = self
            .settings
            .seed
            .map_or_else(|| self.worker.id().to_string(), |seed| seed.to_string());
        let hash = RecordKey::of(format!("{seed}/{id}").as_bytes());
        // Any 64 bits of the hash will do.
        hash.lane(usize::MAX) as u64
    }
}
