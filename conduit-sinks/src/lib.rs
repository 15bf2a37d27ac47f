//! Destinations for Conduit: implementations of [`conduit_core::Sink`], one feature each, none on by default.
//!
//! | feature | sink | what a record becomes |
//! |---|---|---|
//! | `eventbridge` | [`eventbridge::EventBridgeSink`] | an event on a bus of Amazon EventBridge, with the record as its detail |
//! | `file` | [`file::FileSink`] | a line of JSON in a file, on Linux and macOS |
//! | `http` | [`http::HttpSink`] | a `POST` with the record as its JSON body, or one of several |
//! | `meilisearch` | [`meilisearch::MeilisearchSink`] | a document of an index, put or deleted |
//! | `stdout` | [`stdout::StdoutSink`] | a line of JSON on standard output |
//!
//! The features `egress` and `format`, which sinks turn on, have the guard of [`egress`] and the formats of [`format`](mod@format)
//! for sinks of your own.

#[cfg(feature = "egress")]
pub mod egress;
#[cfg(feature = "eventbridge")]
pub mod eventbridge;
#[cfg(all(feature = "file", any(target_os = "linux", target_os = "macos")))]
pub mod file;
#[cfg(feature = "format")]
pub mod format;
#[cfg(feature = "http")]
pub mod http;
#[cfg(any(feature = "eventbridge", feature = "http", feature = "file"))]
mod invalid_config;
#[cfg(any(feature = "stdout", feature = "file"))]
mod lines;
#[cfg(feature = "meilisearch")]
pub mod meilisearch;
#[cfg(any(feature = "eventbridge", feature = "http"))]
mod quote;
#[cfg(any(feature = "eventbridge", feature = "http"))]
mod request_body;
#[cfg(any(feature = "eventbridge", feature = "http"))]
mod secret;
#[cfg(feature = "stdout")]
pub mod stdout;

#[cfg(any(feature = "eventbridge", feature = "http", feature = "file"))]
pub use invalid_config::{ConfigFault, InvalidConfig};
#[cfg(any(feature = "eventbridge", feature = "http"))]
pub use secret::Secret;
