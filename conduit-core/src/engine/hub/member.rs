//! A subscription as its group knows it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::queue::{HubEvent, Queue};
use crate::contract::{StreamBatch, WatchTarget};
use crate::value::{Position, Record};

/// How long a member may keep a run waiting while others could go on, before it is detached.
const PATIENCE: Duration = Duration::from_millis(100);
/// After so long without keeping anybody waiting it may again.
const FORGIVEN_AFTER: Duration = Duration::from_secs(5);

/// How long the chase may go on while somebody waits whom it does not take along, if it got anywhere.
pub(super) const SLICE: Duration = Duration::from_secs(2);
/// The longest turn of those that got nothing in shorter ones.
pub(super) const LONGEST_SLICE: Duration = Duration::from_secs(300);

/// A subscription that reads.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) target: WatchTarget,
    /// Where it stands, or where its run stands, whichever is later: it was given everything up to there.
    pub(super) position: Position,
    pub(super) queue: Queue,
    /// Whether it knows that its run has come to the end of the history.
    pub(super) knows_end: bool,
    /// Since when it is not a member of any run.
    pub(super) waits_since: Instant,
    /// Until when it is not to be taken along.
    pub(super) rests_until: Option<Instant>,
    /// How long a stream that is opened for it goes on though others wait.
    pub(super) slice: Duration,
    patience: Duration,
    was_full_at: Instant,
}

impl Member {
    pub(super) fn new(target: WatchTarget, position: Position, queue: Queue) -> Self {
        let now = Instant::now();
        Self {
            target,
            position,
            queue,
            knows_end: false,
            waits_since: now,
            rests_until: None,
            slice: SLICE,
            patience: PATIENCE,
            was_full_at: now,
        }
    }

    /// Whether a run may take it along now.
    pub(super) fn is_able(&self, now: Instant) -> bool {
        self.rests_until.is_none_or(|until| until <= now) && self.queue.is_empty()
    }

    /// Whether anything in `records`, which are in order, comes after its own position.
    pub(super) fn wants_of<'a>(&self, records: &'a [Arc<Record>]) -> &'a [Arc<Record>] {
        let is_done = |record: &Arc<Record>| self.position.covers(record.time(), record.sequence());
        &records[records.partition_point(is_done)..]
    }

    /// Tells it that nothing for it was read up to `position`.
    pub(super) fn tell(&mut self, position: &Position, reached_end: bool) {
        let position = if *position > self.position {
            position.clone()
        } else {
            self.position.clone()
        };
        self.give(Vec::new(), position, reached_end);
    }

    /// Gives it records, and the position after them.
    pub(super) fn give(&mut self, records: Vec<Arc<Record>>, position: Position, reached_end: bool) {
        self.knows_end = reached_end;
        self.queue.put(HubEvent::Batch(StreamBatch {
            records,
            position,
            reached_end,
        }));
    }

    /// Tells it that what it read from failed.
    pub(super) fn interrupt(&mut self, why: &Arc<str>) {
        self.knows_end = false;
        self.queue.put(HubEvent::Interrupted(Arc::clone(why)));
    }

    /// Until when a run waits for it, being full, if others could go on meanwhile.
    pub(super) fn begin_to_stall(&mut self, now: Instant) -> Instant {
        if now.duration_since(self.was_full_at) > FORGIVEN_AFTER {
            self.patience = PATIENCE;
        }
        now + self.patience
    }

    /// Notes that it has taken what it kept its run waiting for.
    pub(super) fn end_stall(&mut self, waited: Duration, now: Instant) {
        self.patience = self.patience.saturating_sub(waited);
        self.was_full_at = now;
    }

    /// Makes it one that is not taken along.
    pub(super) fn detach(&mut self, now: Instant) {
        self.queue.set_attached(false);
        self.waits_since = now;
        self.patience = PATIENCE;
    }
}
