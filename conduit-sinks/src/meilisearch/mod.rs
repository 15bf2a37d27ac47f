//! A collection as an index of Meilisearch: a document for each document, put and deleted as the collection changes.
//!
//! ```
//! use conduit_sinks::meilisearch::{MeilisearchConfig, MeilisearchSink};
//!
//! let config = MeilisearchConfig::new("http://localhost:7700", "orders").with_bearer_token("s3cret");
//! let sink = MeilisearchSink::new(config)?;
//! # Ok::<(), conduit_sinks::http::HttpSetupError>(())
//! ```
//!
//! It speaks to the server through [`HttpClient`](crate::http::HttpClient), which a host shares between all its
//! destinations.

mod api;
mod config;
mod delivery;
mod document_id;
mod error;
mod fields;
mod index;
mod ledger;
mod plan;
mod sink;
mod task;
mod write;

pub use config::{DEFAULT_TIMEOUT, MeilisearchConfig};
pub use document_id::DocumentId;
pub use sink::{CONCURRENCY, IndexCheck, MAX_RECORDS, MeilisearchSink};
pub use write::PRIMARY_KEY;
