//! Records as events on a bus of Amazon EventBridge, up to ten a call.
//!
//! ```
//! use conduit_sinks::eventbridge::{EventBridgeConfig, EventBridgeSink};
//!
//! let config = EventBridgeConfig::new("orders").with_region("eu-central-1");
//! let sink = EventBridgeSink::new(config)?;
//! # Ok::<(), conduit_sinks::InvalidConfig>(())
//! ```
//!
//! A host with many destinations makes one [`EventBridgeClient`] and gives it to all of them
//! ([`EventBridgeSink::with_client`]), so that they share one pool of connections.

mod answer;
mod bus;
mod bus_check;
mod client;
mod config;
mod entry;
mod error;
mod outgoing;
mod sink;

pub use aws_credential_types::Credentials;
pub use aws_credential_types::provider::SharedCredentialsProvider;
pub use bus_check::BusCheck;
pub use client::EventBridgeClient;
pub use config::{
    DEFAULT_MAX_REQUEST_BYTES, DEFAULT_SOURCE, DEFAULT_TIMEOUT, EventBridgeConfig, LARGEST_MAX_REQUEST_BYTES,
    MAX_TIMEOUT, SMALLEST_MAX_REQUEST_BYTES,
};
pub use error::MAX_RETRY_AFTER;
pub use sink::{CONCURRENCY, EventBridgeSink, MAX_ENTRIES};
