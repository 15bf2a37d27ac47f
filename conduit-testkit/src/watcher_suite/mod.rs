//! The conformance suite of [`Watcher`](conduit_core::Watcher) and its streams: one named test per clause of
//! the contract.
//!
//! A watcher's author implements [`WatcherHarness`] and writes, in a file of their crate's `tests/`:
//!
//! ```
//! # mod example {
//! # use std::sync::Arc;
//! # use conduit_core::Watcher;
//! # use conduit_testkit::watcher_suite::{Change, WatcherHarness};
//! struct Harness;
//!
//! # #[async_trait::async_trait]
//! impl WatcherHarness for Harness {
//!     // ...
//! #   type Guard = ();
//! #   async fn create(&self) -> ((), Arc<dyn Watcher>) { unimplemented!() }
//! #   async fn change(&self, _: &(), _: &Change<'_>) -> Result<(), &'static str> { unimplemented!() }
//! }
//!
//! conduit_testkit::watcher_suite!(Harness);
//! # }
//! ```
//!
//! A clause fails by panicking, as tests do. One that the harness leaves out, or that needs a [`Change`] that
//! the source does not know, says `SKIPPED`, with the reason. A minor release may bring further clauses.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod change;
#[doc(hidden)]
pub mod clauses;
mod harness;
mod macros;
mod reading;
mod scene;

pub use change::Change;
pub use harness::{WatcherHarness, check_skips, run};
pub use scene::Scene;
