//! How far a subscription got.

use serde::{Deserialize, Serialize};

use conduit_core::{ClusterTime, DestinationId, Position, WorkerId};
#[cfg(any(feature = "memory", feature = "embedded"))]
use conduit_core::{Lease, Rewind, SubscriptionStart};

/// The version that everything of this program is written in. A reader refuses any other.
pub(crate) const FORMAT_VERSION: u32 = 1;

/// A subscription's position and the commit that brought it there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// The version of the encoding.
    pub(crate) v: u32,
    /// Whose position it is.
    pub(crate) destination: DestinationId,
    #[serde(flatten)]
    pub(crate) position: Position,
    /// Where the subscription began.
    pub(crate) start: ClusterTime,
    /// Tells this life of the subscription from others.
    pub(crate) life: ClusterTime,
    /// The number of the last commit; 0 before the first.
    pub(crate) commit: u64,
    /// The epoch and the worker of the last commit; after a rewind no worker, so that nothing is its repeat.
    pub(crate) epoch: u64,
    pub(crate) worker: WorkerId,
    /// The generation of the last rewind: processed ids of an earlier one count for nothing.
    pub(crate) generation: u64,
}

#[cfg(any(feature = "memory", feature = "embedded"))]
impl Progress {
    /// The state of a subscription that begins.
    pub(crate) fn begin(wanted: &SubscriptionStart, lease: &Lease) -> Self {
        Self {
            v: FORMAT_VERSION,
            destination: wanted.destination.clone(),
            position: Position::at_time(wanted.start),
            start: wanted.start,
            life: wanted.life,
            commit: 0,
            epoch: lease.epoch,
            worker: lease.worker.clone(),
            generation: wanted.rewind.generation,
        }
    }

    /// Moves the position if `wanted` has a greater generation; whether it did.
    pub(crate) fn rewind(&mut self, wanted: &SubscriptionStart, lease: &Lease) -> bool {
        let Rewind { generation, to } = wanted.rewind;
        let is_moved = generation > self.generation;
        if is_moved {
            self.position = Position::at_time(to);
            self.commit += 1;
            self.epoch = lease.epoch;
            self.worker = WorkerId::new("");
            self.generation = generation;
        }
        is_moved
    }
}
