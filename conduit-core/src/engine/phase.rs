//! What a subscription is doing, in a word.

use serde::{Deserialize, Serialize};

/// What a subscription is doing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionPhase {
    /// Its stream is not open yet.
    #[default]
    Starting,
    /// It reads changes as they happen.
    Streaming,
    /// It reads changes of the past.
    CatchingUp,
    /// Its destination fails as a whole: nothing is sent but probes; the reason says why.
    Holding,
    /// An operator paused it.
    Paused,
    /// Another worker holds the collection's lease.
    WaitingForLease,
    /// It cannot go on without an operator; the reason says why.
    Halted,
}

impl SubscriptionPhase {
    /// Returns the name used in statuses and metrics, such as `catching_up`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Streaming => "streaming",
            Self::CatchingUp => "catching_up",
            Self::Holding => "holding",
            Self::Paused => "paused",
            Self::WaitingForLease => "waiting_for_lease",
            Self::Halted => "halted",
        }
    }
}
