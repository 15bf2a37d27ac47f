//! Records over HTTP: one `POST` a record, or a batch of them, acknowledged by any 2xx.
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
mod batch;
mod batch_answer;
mod body;
mod certificate;
mod client;
mod config;
mod connection_check;
mod connector;
mod endpoint;
mod error;
mod extra_headers;
mod request;
mod retry_after;
mod signature;
mod sink;

pub use batch::{
    DEFAULT_BATCH_BYTES, DEFAULT_BATCH_RECORDS, DEFAULT_BATCH_WAIT, HttpBatch, MAX_BATCH_BYTES,
    MAX_BATCH_RECORDS, MAX_BATCH_WAIT, MIN_BATCH_BYTES,
};
pub use client::HttpClient;
pub use config::{DEFAULT_TIMEOUT, HttpConfig, MAX_TIMEOUT};
pub use connection_check::{ConnectionCheck, ConnectionError, ConnectionErrorKind};
pub use error::HttpSetupError;
pub use retry_after::MAX_RETRY_AFTER;
pub use sink::{BATCH_CONCURRENCY, CONCURRENCY, HttpSink};

#[cfg(feature = "meilisearch")]
pub(crate) use body::BodyStart;
#[cfg(feature = "meilisearch")]
pub(crate) use endpoint::Endpoint;
#[cfg(feature = "meilisearch")]
pub(crate) use error::no_answer;
#[cfg(feature = "meilisearch")]
pub(crate) use request::{AGENT, JSON, authorization};
#[cfg(feature = "meilisearch")]
pub(crate) use retry_after::retry_after;
