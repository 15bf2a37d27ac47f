//! Documents: raw BSON read without copying, written as JSON, and hashed by value.

mod decimal;
mod element;
mod json;
#[cfg(test)]
mod json_tests;
mod key;
mod names;
mod text;

pub use element::DecodeError;
pub(crate) use element::{Element, Elements, find, kind};
pub use json::write_json;
pub(crate) use json::{write_fields, write_json_bytes};
pub(crate) use key::hash_values;
pub(crate) use text::push_hex_text;
