//! Strategies for property tests of stores, sinks, filters and whatever else handles records.
//!
//! ```
//! use conduit_testkit::strategies::histories;
//! use proptest::prelude::*;
//!
//! proptest!(ProptestConfig::with_cases(16), |(history in histories(0..20))| {
//!     prop_assert!(history.is_sorted_by_key(|record| (record.time(), record.sequence().clone())));
//! });
//! ```

mod commits;
mod documents;
mod histories;
mod values;

pub use commits::commits;
pub use documents::{documents, texts};
pub use histories::{histories, records};
pub use values::{
    cluster_times, collections, destinations, event_ids, positions, record_keys, record_types, sequences,
    tokens, wall_times,
};
