//! An HTTP server for tests: it records every request and answers as it is told.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use conduit_testkit::receiver::{Answer, Ledger, Receiver};
//!
//! let receiver = Receiver::start().await;
//! receiver.answer_with(|received| match received.number() {
//!     0 => Answer::Status(503),
//!     _ => Answer::Status(200),
//! });
//! // ... have records delivered to `receiver.url()` ...
//! # async fn deliver() {}
//! # deliver().await;
//! let received = receiver.wait_for(0).await;
//! Ledger::of_acknowledged(&received).assert_clean();
//! # });
//! ```

mod answer;
mod connection;
mod ledger;
mod log;
mod received;
#[expect(clippy::module_inception, reason = "a file is named after its main type")]
mod receiver;

pub use answer::Answer;
pub use ledger::{Ledger, LedgerEntry};
pub use received::Received;
pub use receiver::Receiver;
