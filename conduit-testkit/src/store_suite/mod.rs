//! The conformance suite of [`StateStore`](conduit_core::StateStore): one named test per clause of the contract.
//!
//! A store's author implements [`StoreHarness`] and writes, in a file of their crate's `tests/`:
//!
//! ```
//! # mod example {
//! # use std::sync::Arc;
//! # use conduit_core::StateStore;
//! # use conduit_testkit::store_suite::StoreHarness;
//! struct Harness;
//!
//! # #[async_trait::async_trait]
//! impl StoreHarness for Harness {
//!     // ...
//! #   type Guard = ();
//! #   async fn create(&self) -> ((), Arc<dyn StateStore>) { unimplemented!() }
//! #   async fn reopen(&self, _: &(), _: Arc<dyn StateStore>) -> Arc<dyn StateStore> { unimplemented!() }
//! }
//!
//! conduit_testkit::state_store_suite!(Harness);
//! # }
//! ```
//!
//! A clause fails by panicking, as tests do. A minor release may bring further clauses.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[doc(hidden)]
pub mod clauses;
mod harness;
mod macros;
mod samples;
mod scene;

pub use harness::{StoreHarness, check_skips, run};
pub use samples::{at, collection, destination, record, retry_parked, stored_position};
pub use scene::Scene;
