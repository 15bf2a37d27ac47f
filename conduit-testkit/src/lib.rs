//! Conformance suites for Conduit's contracts, and what tests of Conduit need.
//!
//! Whoever writes a state store, a sink or a watcher tells the suite how to make one, and gets a named test
//! for every clause of its contract: [`state_store_suite!`], [`sink_suite!`], [`watcher_suite!`]. Clauses
//! that are left out are printed with the reason. A minor release may bring further clauses.
//!
//! | | |
//! |---|---|
//! | [`ScriptedWatcher`], [`RecordingSink`] | a source and a destination in memory |
//! | [`FaultySink`], [`Hold`] | faults around any sink |
//! | feature `proptest` | strategies for property tests |
//! | feature `receiver` | an HTTP server that answers as told, and the ledger of what came |
//! | feature `meilisearch` | a Meilisearch that behaves as documented and fails as it is told |
//! | feature `servers` | real servers for tests |

#[cfg(feature = "meilisearch")]
pub mod meilisearch;
#[cfg(feature = "receiver")]
pub mod receiver;
#[cfg(feature = "servers")]
pub mod servers;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod sink_suite;
pub mod store_suite;
#[cfg(feature = "proptest")]
pub mod strategies;
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
