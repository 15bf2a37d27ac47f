//! What an invariant is.

use std::fmt;
use std::time::Duration;

use super::super::happening::Happening;
use super::super::violation::Violation;
use super::super::world::World;

/// One thing that happened, and the world after it.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Observation<'a> {
    /// When, since the beginning.
    pub(in super::super) at: Duration,
    /// What.
    pub(in super::super) happening: &'a Happening,
    /// What is true now.
    pub(in super::super) world: &'a World,
}

/// A promise of the engine, checked after everything that happens.
///
/// An invariant may remember what it saw. It is asked in the order of what happened, once for each; repeats of a commit
/// that was applied already are left out.
pub(in super::super) trait Invariant: fmt::Debug + Send {
    /// Looks at one more thing that happened.
    ///
    /// # Errors
    /// What is wrong, if the promise is broken.
    fn check(&mut self, seen: &Observation<'_>) -> Result<(), Violation>;
}
