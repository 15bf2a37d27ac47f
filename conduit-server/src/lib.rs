//! The reference host of Conduit: REST control plane, worker, health and metrics.
//!
//! The library behind the programs `conduit-server` and `conduit`. It holds no delivery logic: that is conduit-core's.

mod api;
mod bulletin;
mod caretaker;
mod catalog;
mod cli;
mod destination_type;
mod dev_mongod;
mod doctor;
mod environment;
mod health;
mod healthcheck;
mod history;
mod host;
mod listening;
mod logging;
mod metrics;
mod mongo_clients;
mod observers;
mod order;
mod secrets;
mod server;
mod state_metrics;
mod tail;
mod test_delivery;
mod timestamp;
mod worker;

pub use cli::command_line;
pub use conduit_sinks::format::PayloadFormat;
pub use destination_type::{DestinationSettings, DestinationType, Field, SettingFault, SinkRequest};
pub use doctor::{Finding, Verdict};
pub use host::Host;
pub use server::Command;
