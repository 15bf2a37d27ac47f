//! Filter patterns: which records a destination wants, by what is in their images.
//!
//! A pattern is read once ([`EventPattern::parse`]) and made into a tree of field names. A record is then decided in one
//! pass over the bytes of its images, without a copy of anything. The language is described in `docs/filters.md`.

mod address;
mod bits;
mod case;
mod error;
mod exclusion;
mod expand;
mod explain;
mod json;
mod leaf;
mod matcher;
mod number;
mod operator;
mod parse;
mod pattern;
mod run;
mod scan;
mod string_end;
mod text;
mod tree;
mod wildcard;

pub use error::{PatternError, PatternFault};
pub use explain::Explanation;
pub use pattern::EventPattern;

/// The Rust of the documentation compiles and does what it says.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/filters.md")]
struct Documentation;
