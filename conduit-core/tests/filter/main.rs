//! The pattern language, sentence by sentence: tables of patterns, documents and answers, and properties against a slow
//! implementation that is easy to see right.

// The helpers of tests fail as tests do.
#![allow(clippy::unwrap_used)]

mod addresses;
mod alternatives;
mod arrays;
mod cases;
mod documentation;
mod documents;
mod exact_values;
mod explanations;
mod images;
mod numbers;
mod presence;
mod properties;
mod reference;
mod refused;
mod refused_operators;
mod text_operators;
