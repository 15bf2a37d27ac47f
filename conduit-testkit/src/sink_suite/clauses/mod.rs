//! The clauses, grouped by what they are about. Each is a function of a [`Scene`](super::Scene).
#![allow(missing_docs)]

pub mod calls;
pub mod errors;
pub mod limits;
pub mod outcomes;
