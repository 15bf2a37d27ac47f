//! Why a call is refused, in the same words by every store.

use conduit_core::{Commit, Lease, StateError, StateErrorKind};

/// Checks what does not depend on stored state.
pub(crate) fn check(commit: &Commit) -> Result<(), StateError> {
    let invalid = |message: &str| Err(StateError::new(StateErrorKind::Invalid, message));
    if commit.subscription.collection != commit.lease.collection {
        return invalid("the lease of a commit is of another collection");
    }
    match &commit.advance {
        Some(advance) if advance.to < advance.from => invalid("a position cannot move back"),
        _ => Ok(()),
    }
}

/// The commit is not the one after the last.
pub(crate) fn wrong_number(commit: &Commit, last: &str) -> StateError {
    let Commit {
        number, subscription, ..
    } = commit;
    StateError::conflict(format!(
        "commit {number} of {subscription} does not follow commit {last}"
    ))
}

/// The commit moves from another position than the stored one.
pub(crate) fn wrong_position(commit: &Commit) -> StateError {
    let Commit {
        number, subscription, ..
    } = commit;
    StateError::conflict(format!(
        "commit {number} of {subscription} does not start from the stored position"
    ))
}

/// A record that is to be rescheduled does not wait.
pub(crate) fn does_not_wait(commit: &Commit) -> StateError {
    StateError::conflict(format!(
        "commit {} of {} reschedules a record that does not wait",
        commit.number, commit.subscription
    ))
}

/// A dead letter that is to leave is not there.
pub(crate) fn no_such_letter(commit: &Commit) -> StateError {
    StateError::conflict(format!(
        "commit {} of {} takes back a dead letter that is not there",
        commit.number, commit.subscription
    ))
}

/// The lease is not held any more.
pub(crate) fn fenced(lease: &Lease) -> StateError {
    StateError::fenced(format!(
        "worker {} does not hold the lease of {} with epoch {} any more",
        lease.worker, lease.collection, lease.epoch
    ))
}

/// There is nothing that the commit could change.
pub(crate) fn no_state(commit: &Commit) -> StateError {
    StateError::fenced(format!("there is no state of {}", commit.subscription))
}
