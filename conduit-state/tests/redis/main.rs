//! The store in Redis, on real servers.
#![cfg(feature = "redis")]
#![allow(clippy::unwrap_used)]

mod address;
mod layout;
mod outage;
mod scene;
mod suite;
mod tails;
mod workers;
