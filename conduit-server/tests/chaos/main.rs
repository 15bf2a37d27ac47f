//! Real processes, killed, frozen and refused at random, and an account of every record.
//!
//! `make chaos MINUTES=5 SEED=7` runs the storm for that long; `make test` a short one with a fixed seed. On Linux only,
//! since the kernel's tables there say which worker sent what.

// The helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![cfg(target_os = "linux")]

#[path = "../server/harness.rs"]
#[allow(dead_code, reason = "the tests of the server use the rest")]
mod harness;

mod account;
mod arrivals;
mod causes;
mod changes;
mod cluster;
mod destination;
mod freeze;
mod mood;
mod schedule;
mod senders;
mod storm;
mod table;
mod writers;
