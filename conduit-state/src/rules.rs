//! The decisions that the stores of this process share: who may hold a lease, and which commit is applied.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use conduit_core::{Commit, Lease, OpenRequest, StateError, WallTime, WorkerId};

use crate::encoding::Progress;
use crate::refusal;

/// What is stored of a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeaseRow {
    /// Who holds it; `None` after it was given back.
    pub(crate) worker: Option<WorkerId>,
    /// When it expires.
    pub(crate) until: WallTime,
    /// The epoch of its last holder.
    pub(crate) epoch: u64,
}

impl LeaseRow {
    /// The row of a lease taken now.
    pub(crate) fn taken(worker: &WorkerId, epoch: u64, now: WallTime, lease_time: Duration) -> Self {
        Self {
            worker: Some(worker.clone()),
            until: now.after(lease_time),
            epoch,
        }
    }

    /// Whether `lease` is this lease and was not taken over or given back.
    pub(crate) fn is(&self, lease: &Lease) -> bool {
        self.epoch == lease.epoch && self.worker.as_ref() == Some(&lease.worker)
    }

    /// Who keeps `request` from taking the lease, and for how long still; `None` if it may be taken.
    pub(crate) fn in_the_way(&self, request: &OpenRequest, now: WallTime) -> Option<(WorkerId, Duration)> {
        let holder = self.worker.as_ref()?;
        let may_take =
            *holder == request.worker || request.evict.as_ref() == Some(holder) || self.until <= now;
        (!may_take).then(|| (holder.clone(), self.until.since(now)))
    }
}

/// What becomes of a commit that is neither fenced nor in conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It follows the stored state.
    Apply,
    /// It is the last commit once more: success, nothing changes.
    Repeat,
}

/// Fails unless `lease` is the one that is stored.
pub(crate) fn hold(stored: Option<&LeaseRow>, lease: &Lease) -> Result<(), StateError> {
    match stored {
        Some(row) if row.is(lease) => Ok(()),
        _ => Err(refusal::fenced(lease)),
    }
}

/// Judges a commit against the stored lease and progress.
pub(crate) fn judge(
    commit: &Commit,
    lease: Option<&LeaseRow>,
    progress: Option<&Progress>,
) -> Result<Verdict, StateError> {
    refusal::check(commit)?;
    hold(lease, &commit.lease)?;
    let Some(progress) = progress else {
        return Err(refusal::no_state(commit));
    };
    if commit.number == progress.commit
        && commit.number > 0
        && progress.epoch == commit.lease.epoch
        && progress.worker == commit.lease.worker
    {
        return Ok(Verdict::Repeat);
    }
    if commit.number != progress.commit + 1 {
        return Err(refusal::wrong_number(commit, &progress.commit.to_string()));
    }
    match &commit.advance {
        Some(advance) if advance.from != progress.position => Err(refusal::wrong_position(commit)),
        _ => Ok(Verdict::Apply),
    }
}
