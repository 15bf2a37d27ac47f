//! Destinations for Conduit: implementations of [`conduit_core::Sink`], one feature each, none on by default.
//!
//! | feature | sink | what a record becomes |
//! |---|---|---|
//! | `eventbridge` | [`eventbridge::EventBridgeSink`] | an event on a bus of Amazon EventBridge, with the record as its detail |
//! | `http` | [`http::HttpSink`] | a `POST` with the record as its JSON body |
//! | `meilisearch` | [`meilisearch::MeilisearchSink`] | a document of an index, put or deleted |

#[cfg(feature = "eventbridge")]
pub mod eventbridge;
#[cfg(feature = "http")]
pub mod http;
#[cfg(any(feature = "eventbridge", feature = "http"))]
mod invalid_config;
#[cfg(feature = "meilisearch")]
pub mod meilisearch;
#[cfg(any(feature = "eventbridge", feature = "http"))]
mod quote;
#[cfg(any(feature = "eventbridge", feature = "http"))]
mod request_body;
#[cfg(any(feature = "eventbridge", feature = "http"))]
mod secret;

#[cfg(any(feature = "eventbridge", feature = "http"))]
pub use invalid_config::{ConfigFault, InvalidConfig};
#[cfg(any(feature = "eventbridge", feature = "http"))]
pub use secret::Secret;
