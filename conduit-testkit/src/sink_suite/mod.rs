//! The conformance suite of [`Sink`](conduit_core::Sink): one named test per clause of the contract.
//!
//! A sink's author implements [`SinkHarness`] and writes, in a file of their crate's `tests/`:
//!
//! ```
//! # mod example {
//! # use std::sync::Arc;
//! # use conduit_core::Sink;
//! # use conduit_testkit::sink_suite::SinkHarness;
//! struct Harness;
//!
//! # #[async_trait::async_trait]
//! impl SinkHarness for Harness {
//!     // ...
//! #   type Guard = ();
//! #   async fn create(&self) -> ((), Arc<dyn Sink>) { unimplemented!() }
//! #   async fn arrived(&self, _: &()) -> Vec<Vec<u8>> { unimplemented!() }
//! }
//!
//! conduit_testkit::sink_suite!(Harness);
//! # }
//! ```
//!
//! A clause fails by panicking, as tests do. One that the harness leaves out, or whose [`Behaviour`] the
//! destination cannot be made to show, says `SKIPPED`, with the reason. A minor release may bring further
//! clauses.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod behaviour;
#[doc(hidden)]
pub mod clauses;
mod harness;
mod macros;
mod samples;
mod scene;

pub use behaviour::Behaviour;
pub use harness::{Repeats, SinkHarness, check_skips, run};
pub use scene::Scene;
