//! A broken promise.

use std::fmt;

/// What is wrong, and about which destination if it is about one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    /// The name of the invariant.
    pub(super) invariant: &'static str,
    /// What is wrong.
    pub(super) message: String,
    /// The destination.
    pub(super) destination: Option<usize>,
}

impl Violation {
    /// A violation at one destination.
    pub(super) fn at(invariant: &'static str, destination: usize, message: impl Into<String>) -> Self {
        Self {
            invariant,
            message: message.into(),
            destination: Some(destination),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.invariant)?;
        if let Some(destination) = self.destination {
            write!(f, "d{destination}: ")?;
        }
        f.write_str(&self.message)
    }
}
