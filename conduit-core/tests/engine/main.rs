//! The whole engine on parts in memory, under paused time.

// The helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

mod configuration;
mod found_by_review;
mod hold;
mod interleavings;
mod lost_answers;
mod operator;
mod order_and_retries;
mod ordered_calls;
mod restarts;
mod review_letters;
mod review_sim;
mod shares;
