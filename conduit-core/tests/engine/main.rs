//! The whole engine on parts in memory, under paused time.

// The helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod faulty_store;
mod harness;
mod outage;
mod random_runs;

mod batches;
mod configuration;
mod dead_letters;
mod hold;
mod hub;
mod hub_trouble;
mod interleavings;
mod lost_answers;
mod observers;
mod one_server;
mod order_and_retries;
mod ordered_calls;
mod pauses_and_rewinds;
mod random_outages;
mod random_redrives;
mod redrives;
mod redrives_and_newer_records;
mod restarts;
mod shares;
mod stuck;
