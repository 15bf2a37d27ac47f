//! The documentation of the API, as OpenAPI 3.1.
//!
//! Operations are described where they are handled. What they take and answer is described here where it is read field by
//! field; destinations by the fields that their types declare. [`complete`](completion::complete) adds what all have in
//! common.

mod collections;
mod completion;
mod dead_letters;
mod destinations;
mod document;
mod filters;
mod operations;
mod parameters;
mod status;

pub(crate) use document::{Document, openapi};
