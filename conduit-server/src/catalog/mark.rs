//! How far a stream is known to have come, beside the state store.

use conduit_core::ClusterTime;
use serde::Deserialize;

/// A low-water mark: every change before it is acknowledged, or a dead letter. It is where a stream goes on if the state
/// store loses everything.
///
/// Ordered by generation, then by time, since a rewind is the only thing that may move it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Mark {
    /// How often the stream was rewound; see [`conduit_core::Rewind`].
    pub(crate) generation: u64,
    #[serde(flatten)]
    pub(crate) time: ClusterTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_generation_counts_more_than_a_later_time() {
        let mark = |generation, t| Mark {
            generation,
            time: ClusterTime::new(t, 0),
        };
        assert!(mark(1, 5) > mark(0, 9) && mark(1, 9) > mark(1, 5));
    }

    #[test]
    fn a_stored_mark_reads_back() {
        let stored = bson::doc! { "t": 5_i64, "i": 2_i64, "generation": 1_i64 };
        let mark: Mark = bson::deserialize_from_document(stored).unwrap();
        assert_eq!((mark.generation, mark.time), (1, ClusterTime::new(5, 2)));
    }
}
