//! Conformance suites for Conduit's contracts, and what tests of Conduit need.

#[cfg(feature = "receiver")]
pub mod receiver;
#[cfg(feature = "servers")]
pub mod servers;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod store_suite;

mod recording_sink;
mod scripted_watcher;

pub use recording_sink::{Answer, Arrived, RecordingSink};
pub use scripted_watcher::ScriptedWatcher;
