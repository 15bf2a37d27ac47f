//! The server as a process, on real MongoDB and Redis, from outside.

mod harness;

mod chaos;
mod collections;
mod configuration;
mod delivery;
mod start;
mod state;
