//! Sends a sample record to destinations, on sinks of their own: nothing that runs learns of it.

mod delivery_test;
mod sample;

pub(crate) use delivery_test::{TestedDestination, config_of, test};
