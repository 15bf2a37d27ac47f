//! The server as a process, on real MongoDB and Redis, from outside.

// The helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

mod chaos;
mod collections;
mod configuration;
mod delivery;
mod outages;
mod readme;
mod requests;
mod start;
mod state;
