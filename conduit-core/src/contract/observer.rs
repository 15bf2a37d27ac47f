//! Lets a host see what becomes of records, for metrics, logs and people who look on.

use std::fmt;
use std::time::Duration;

use crate::value::{CollectionName, Record, SubscriptionId, WallTime};

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
    /// Which of its counted attempts this was, from 1. 0 if it was none: the record was filtered, or the destination fails
    /// as a whole and nothing counts.
    pub attempt: u32,
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

    /// Whether somebody looks on at the records of `collection` just now. Asked once for many records: of every batch that
    /// is read, and of what was settled since. Default: nobody does.
    fn is_followed(&self, collection: &CollectionName) -> bool {
        let _ = collection;
        false
    }

    /// Called besides [`settled`](Self::settled), with the same, while [`is_followed`](Self::is_followed) says so. Here, and
    /// only here, a copy of a record may be worth its cost. Default: nothing.
    fn followed(&self, settlement: &Settlement<'_>) {
        let _ = settlement;
    }
}

/// Sees nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn settled(&self, _settlement: &Settlement<'_>) {}
}
