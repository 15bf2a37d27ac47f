//! The whole engine on parts in memory, under paused time.

mod harness;

mod configuration;
mod order_and_retries;
mod restarts;
