//! The clauses, grouped by what they are about. Each is a function of a [`Scene`](super::Scene).
#![allow(missing_docs)]

pub mod begin;
pub mod commit;
pub mod dead_letters;
pub mod keys;
pub mod lease;
pub mod poison;
pub mod rewind;
pub mod waiting;
