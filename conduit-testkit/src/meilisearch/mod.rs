//! A Meilisearch for tests: it takes documents as tasks, as the documentation of 1.x says, and fails as it is told.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use conduit_testkit::meilisearch::{API_KEY, MeilisearchStub, When};
//! use conduit_testkit::receiver::Answer;
//!
//! let stub = MeilisearchStub::start().await;
//! // The next task of documents fails, and of each write the answer is lost.
//! stub.end_next_with([Some(("internal", "internal"))]);
//! stub.spoil(|request| (request.method() == "POST").then_some((When::After, Answer::CloseBeforeAnswer)));
//! // ... have documents put to `stub.url()`, with `API_KEY` ...
//! # let _ = (stub.url(), API_KEY);
//! stub.recover();
//! assert!(stub.documents("orders").is_empty());
//! # });
//! ```
//!
//! It has `POST` and `GET` of an index, its settings and its documents, `documents/delete-batch`, and `GET /tasks/{uid}`.
//! Anything else is a 404.

mod api;
mod meilisearch_stub;
mod store;
mod task;

pub use api::refusal;
pub use meilisearch_stub::{API_KEY, MeilisearchStub, When};
pub use store::Index;
pub use task::{ErrorCode, Task, Work};
