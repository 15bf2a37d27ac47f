//! The clauses, grouped by what they are about. Each is a function of a [`Scene`](super::Scene).
#![allow(missing_docs)]

pub mod batches;
pub mod changes;
pub mod positions;
pub mod records;
