//! Taking answers apart.

use redis::Value;

use conduit_core::StateError;

use super::error::{corrupt, unexpected};

/// The elements of an array.
pub(super) fn list(value: Value) -> Result<Vec<Value>, StateError> {
    match value {
        Value::Array(elements) | Value::Set(elements) => Ok(elements),
        Value::Nil => Ok(Vec::new()),
        _ => Err(unexpected()),
    }
}

/// Bytes, or nothing.
pub(super) fn bytes(value: Value) -> Result<Option<Vec<u8>>, StateError> {
    match value {
        Value::BulkString(bytes) => Ok(Some(bytes)),
        Value::SimpleString(text) => Ok(Some(text.into_bytes())),
        Value::Nil => Ok(None),
        _ => Err(unexpected()),
    }
}

/// Text.
pub(super) fn text(value: Value) -> Result<String, StateError> {
    let bytes = bytes(value)?.ok_or_else(unexpected)?;
    String::from_utf8(bytes).map_err(|_| unexpected())
}

/// A number, also one that is written as text.
pub(super) fn number(value: Value) -> Result<u64, StateError> {
    match value {
        Value::Int(number) => u64::try_from(number).map_err(|_| unexpected()),
        other => text(other)?.parse().map_err(|_| unexpected()),
    }
}

/// The rest of a script's answer and the word that it begins with. The word `corrupt` is an error.
pub(super) fn verdict(value: Value) -> Result<(String, std::vec::IntoIter<Value>), StateError> {
    let mut parts = list(value)?.into_iter();
    let word = text(parts.next().ok_or_else(unexpected)?)?;
    if word == "corrupt" {
        return Err(corrupt(&text(next(&mut parts)?)?));
    }
    Ok((word, parts))
}

/// The next element.
pub(super) fn next(parts: &mut impl Iterator<Item = Value>) -> Result<Value, StateError> {
    parts.next().ok_or_else(unexpected)
}
