//! Records over HTTP: one `POST` a record, acknowledged by any 2xx.
//!
//! ```
//! use conduit_sinks::http::{HttpConfig, HttpSink};
//!
//! let config = HttpConfig::new("https://example.com/changes").with_bearer_token("s3cret");
//! let sink = HttpSink::new(config)?;
//! # Ok::<(), conduit_sinks::http::HttpSetupError>(())
//! ```
//!
//! A host with many destinations makes one [`HttpClient`] and gives it to all of them
//! ([`HttpSink::with_client`]), so that they share one pool of connections.

mod answer;
mod body;
mod client;
mod config;
mod endpoint;
mod error;
mod retry_after;
mod sink;

pub use client::HttpClient;
pub use config::{DEFAULT_TIMEOUT, HttpConfig, MAX_TIMEOUT};
pub use error::HttpSetupError;
pub use retry_after::MAX_RETRY_AFTER;
pub use sink::{CONCURRENCY, HttpSink};

#[cfg(feature = "meilisearch")]
pub(crate) use body::BodyStart;
#[cfg(feature = "meilisearch")]
pub(crate) use config::check_bearer_token;
#[cfg(feature = "meilisearch")]
pub(crate) use endpoint::Endpoint;
#[cfg(feature = "meilisearch")]
pub(crate) use error::no_answer;
#[cfg(feature = "meilisearch")]
pub(crate) use retry_after::retry_after;
#[cfg(feature = "meilisearch")]
pub(crate) use sink::{AGENT, JSON, authorization};
