//! Conformance suites for Conduit's contracts, and what tests of Conduit need.

#[cfg(feature = "receiver")]
pub mod receiver;
#[cfg(feature = "servers")]
pub mod servers;
pub mod sink_suite;
pub mod store_suite;
pub mod watcher_suite;

mod clause;
mod faulty_sink;
mod hold;
mod recording_sink;
mod scripted_watcher;

pub use faulty_sink::{Fault, FaultySink};
pub use hold::Hold;
pub use recording_sink::{Answer, Arrived, RecordingSink};
pub use scripted_watcher::ScriptedWatcher;
