//! Lets a host see what becomes of records, for metrics and logs.

use std::fmt;
use std::time::Duration;

use crate::value::{Record, SubscriptionId, WallTime};

/// What became of a record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SettledAs {
    /// The destination has it.
    Delivered,
    /// The subscription does not want it.
    Filtered,
    /// An attempt failed; it waits for the next.
    Retried,
    /// It was given up.
    DeadLettered,
}

impl SettledAs {
    /// Returns the name used in metrics: `delivered`, `filtered`, `retried` or `dead_lettered`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Filtered => "filtered",
            Self::Retried => "retried",
            Self::DeadLettered => "dead_lettered",
        }
    }
}

/// A record that was settled one way or another.
#[derive(Debug)]
pub struct Settlement<'a> {
    /// The subscription.
    pub subscription: &'a SubscriptionId,
    /// The record.
    pub record: &'a Record,
    /// What became of it.
    pub settled: SettledAs,
    /// How long the destination took to answer, if it was asked.
    pub took: Option<Duration>,
    /// When it was settled.
    pub at: WallTime,
    /// Why the attempt failed, if it did.
    pub error: Option<&'a str>,
}

/// Sees every settled record. Called in the delivery path: it must not block.
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// Called once for each settled record and for each failed attempt.
    fn settled(&self, settlement: &Settlement<'_>);
}

/// Sees nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn settled(&self, _settlement: &Settlement<'_>) {}
}
