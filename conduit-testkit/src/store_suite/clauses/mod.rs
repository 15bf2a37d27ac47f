//! The clauses, grouped by what they are about. Each is a function of a [`Scene`](super::Scene).
#![allow(missing_docs)]

pub mod begin;
pub mod commit;
pub mod keys;
pub mod lease;
pub mod waiting;
