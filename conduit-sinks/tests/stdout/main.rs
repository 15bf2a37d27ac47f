//! The sink to standard output.
#![allow(clippy::unwrap_used, reason = "all of this is a test")]

mod process;
#[path = "../records/mod.rs"]
mod records;
mod suite;
