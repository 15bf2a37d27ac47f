//! What is remembered of delivered records.

use serde::{Deserialize, Serialize};

/// What is remembered of delivered records beyond positions, so that they are not delivered again after the position
/// was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Idempotency {
    /// A key for each record and destination, for 24 hours.
    Keys {
        /// How many are kept in all, approximately. Beyond it none are written, as with `Watermark`, until old ones
        /// have expired.
        max_keys: u64,
    },
    /// Nothing but positions and what was settled ahead of them.
    Watermark,
}

impl Idempotency {
    /// How many keys may be written; 0 for none.
    pub(crate) fn max_keys(self) -> u64 {
        match self {
            Self::Keys { max_keys } => max_keys,
            Self::Watermark => 0,
        }
    }
}

impl Default for Idempotency {
    fn default() -> Self {
        Self::Keys { max_keys: 5_000_000 }
    }
}
