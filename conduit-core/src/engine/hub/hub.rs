//! The engine's way to its source.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use super::group::Group;
use super::member::Member;
use super::queue::{Bounds, Intake, Wake, queue};
use crate::contract::{BatchLimits, WatchTarget, Watcher};
use crate::engine::budget::Budget;
use crate::value::Position;

/// Where subscriptions get their records: one group of shared streams for each image mode.
#[derive(Debug)]
pub(crate) struct Hub {
    budget: Arc<Budget>,
    bounds: Bounds,
    looked_up: Entrance,
    stored: Entrance,
}

#[derive(Debug)]
struct Entrance {
    /// As many wait here as there are subscriptions that begin to read, at most.
    members: mpsc::UnboundedSender<Member>,
    wake: Arc<Wake>,
}

impl Hub {
    /// Makes the hub and the futures of its groups, which end once it is dropped.
    pub(crate) fn new(
        watcher: &Arc<dyn Watcher>,
        limits: BatchLimits,
        budget: &Arc<Budget>,
    ) -> (Self, [BoxFuture<'static, ()>; 2]) {
        let group = || {
            let (members, joining) = mpsc::unbounded_channel();
            let wake = Arc::new(Wake::default());
            let group = Group::new(Arc::clone(watcher), limits, joining, Arc::clone(&wake));
            (Entrance { members, wake }, group.run().boxed())
        };
        let (looked_up, stored) = (group(), group());
        let hub = Self {
            budget: Arc::clone(budget),
            // Another batch is read while one waits.
            bounds: Bounds {
                records: limits.max_records,
                bytes: limits.max_bytes,
            },
            looked_up: looked_up.0,
            stored: stored.0,
        };
        (hub, [looked_up.1, stored.1])
    }

    /// Begins to read the records of `target` after `position`, until the intake is dropped.
    pub(crate) fn join(&self, target: WatchTarget, position: Position) -> Intake {
        let entrance = if target.needs_stored_images() {
            &self.stored
        } else {
            &self.looked_up
        };
        let (queue, intake) = queue(self.bounds, Arc::clone(&self.budget), Arc::clone(&entrance.wake));
        // A group that has ended is heard of at the intake, whose other end is dropped here.
        let _ = entrance.members.send(Member::new(target, position, queue));
        intake
    }
}
