//! Destinations for Conduit: implementations of [`conduit_core::Sink`], one feature each, none on by default.
//!
//! | feature | sink | what a record becomes |
//! |---|---|---|
//! | `http` | [`http::HttpSink`] | a `POST` with the record as its JSON body |
//!
//! The feature `egress`, which sinks over the network turn on, has the guard of [`egress`] for sinks of your own.

#[cfg(feature = "egress")]
pub mod egress;
#[cfg(feature = "format")]
pub mod format;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "http")]
mod invalid_config;
#[cfg(feature = "http")]
mod secret;

#[cfg(feature = "http")]
pub use invalid_config::{ConfigFault, InvalidConfig};
#[cfg(feature = "http")]
pub use secret::Secret;
