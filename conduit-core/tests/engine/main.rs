//! The whole engine on parts in memory, under paused time.

// The helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

mod configuration;
mod interleavings;
mod lost_answers;
mod order_and_retries;
mod ordered_calls;
mod restarts;
