//! A record's keys as a document id that Meilisearch allows.

use std::fmt::{self, Write};

use ring::digest::{SHA256, digest};
use serde_json::value::RawValue;

use super::fields::fields;

/// The longest id that Meilisearch takes, in bytes.
const MAX_LENGTH: usize = 511;

/// The field that names a document where the collection has no key schema.
const ID: &str = "_id";

/// The id of a record's document in the index: made of the record's `keys` alone, legal for Meilisearch (`[A-Za-z0-9_-]`,
/// 1 to 511 bytes), and different for different keys.
///
/// | keys | id |
/// |---|---|
/// | `{"_id":"65f0c0ffee65f0c0ffee65f0"}` | `65f0c0ffee65f0c0ffee65f0` |
/// | `{"_id":"USER#1"}`, `{"_id":"user_1"}` | `USER_231`, `user__1` |
/// | `{"_id":1}`, `{"_id":"1"}` | `_v1`, `1` |
/// | `{"_id":{"a":1}}` | `_v_7B_22a_22_3A1_7D` |
/// | `{"tenant":"eu-1","number":7}` | `_ktenant_seu-1_knumber_v7` |
///
/// Letters, digits and `-` stand for themselves, `__` for `_`, and `_` with two digits of `0123456789ABCDEF` for any
/// other byte of the UTF-8 text. Of a key that is `_id` alone: a string is its text (the empty one `_s`); anything else
/// is `_v` and its JSON. All other keys: for each field `_k` and its name, then `_s` and the text of a string or `_v` and
/// the JSON of anything else. An id that would be too long is `_h` and the SHA-256 of it in hexadecimal: [`keys_of`]
/// cannot turn it back, but the document has the keys' fields.
///
/// ```
/// use conduit_sinks::meilisearch::DocumentId;
///
/// let id = DocumentId::of(br#"{"_id":"USER#1"}"#).ok_or("no keys")?;
/// assert_eq!(id.as_str(), "USER_231");
/// assert_eq!(DocumentId::keys_of(id.as_str()).as_deref(), Some(r#"{"_id":"USER#1"}"#));
/// # Ok::<(), &str>(())
/// ```
///
/// [`keys_of`]: Self::keys_of
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentId(String);

impl DocumentId {
    /// Makes the id of the document with these keys, a JSON object such as [`Record::keys`](conduit_core::Record::keys).
    /// `None` if they are not an object with at least one field.
    #[must_use]
    pub fn of(keys: &[u8]) -> Option<Self> {
        let fields = fields(keys).ok()?;
        let mut id = String::with_capacity(32);
        match &*fields {
            [] => return None,
            [(name, value)] if name == ID => match text_of(value) {
                Some(text) if !text.is_empty() => push_escaped(&mut id, &text),
                text => push_tagged(&mut id, text, value),
            },
            fields => {
                for (name, value) in fields {
                    id.push_str("_k");
                    push_escaped(&mut id, name);
                    push_tagged(&mut id, text_of(value), value);
                }
            }
        }
        Some(Self(shortened(id)))
    }

    /// Returns the keys that an id was made of as a JSON object, or `None` if it was made of none or is a digest.
    #[must_use]
    pub fn keys_of(id: &str) -> Option<String> {
        let mut keys = String::from("{");
        if let Some(mut fields) = id.strip_prefix("_k") {
            loop {
                let (name, rest) = unescaped(fields)?;
                let (value, rest) = untagged(rest)?;
                push_field(&mut keys, &name, &value)?;
                match rest.strip_prefix("_k") {
                    Some(rest) => fields = rest,
                    None if rest.is_empty() => break,
                    None => return None,
                }
            }
        } else {
            let (value, rest) = match unescaped(id)? {
                (text, rest) if !text.is_empty() => (serde_json::to_string(&text).ok()?, rest),
                _ => untagged(id)?,
            };
            if !rest.is_empty() {
                return None;
            }
            push_field(&mut keys, ID, &value)?;
        }
        keys.push('}');
        Some(keys)
    }

    /// Returns the id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text of a value that is a string.
fn text_of(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

fn push_tagged(id: &mut String, text: Option<String>, value: &RawValue) {
    match text {
        Some(text) => {
            id.push_str("_s");
            push_escaped(id, &text);
        }
        None => {
            id.push_str("_v");
            push_escaped(id, value.get());
        }
    }
}

fn push_escaped(id: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'_' => id.push_str("__"),
            b'-' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => id.push(char::from(byte)),
            // Writing to a String cannot fail.
            byte => drop(write!(id, "_{byte:02X}")),
        }
    }
}

fn shortened(id: String) -> String {
    if id.len() <= MAX_LENGTH {
        return id;
    }
    let mut short = String::from("_h");
    for byte in digest(&SHA256, id.as_bytes()).as_ref() {
        // Writing to a String cannot fail.
        let _ = write!(short, "{byte:02x}");
    }
    short
}

/// Reads an escaped text up to its end or the next tag, and returns it with what follows.
fn unescaped(id: &str) -> Option<(String, &str)> {
    let bytes = id.as_bytes();
    let (mut text, mut at) = (Vec::new(), 0);
    while let Some(byte) = bytes.get(at) {
        let (read, length) = match (byte, bytes.get(at + 1)) {
            (b'_', Some(b'_')) => (b'_', 2),
            (b'_', Some(next)) if next.is_ascii_lowercase() => break,
            (b'_', _) => (escaped_byte(bytes.get(at + 1..at + 3)?)?, 3),
            (b'-', _) => (b'-', 1),
            (byte, _) if byte.is_ascii_alphanumeric() => (*byte, 1),
            _ => return None,
        };
        text.push(read);
        at += length;
    }
    Some((String::from_utf8(text).ok()?, &id[at..]))
}

fn escaped_byte(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    };
    match digits {
        [high, low] => Some(digit(*high)? * 16 + digit(*low)?),
        _ => None,
    }
}

/// Reads a tag and its value, and returns the value's JSON with what follows.
fn untagged(id: &str) -> Option<(String, &str)> {
    if let Some(text) = id.strip_prefix("_s") {
        let (text, rest) = unescaped(text)?;
        return Some((serde_json::to_string(&text).ok()?, rest));
    }
    let (json, rest) = unescaped(id.strip_prefix("_v")?)?;
    serde_json::from_str::<&RawValue>(&json).ok()?;
    Some((json, rest))
}

fn push_field(keys: &mut String, name: &str, value: &str) -> Option<()> {
    if keys.len() > 1 {
        keys.push(',');
    }
    keys.push_str(&serde_json::to_string(name).ok()?);
    keys.push(':');
    keys.push_str(value);
    Some(())
}

#[cfg(test)]
#[path = "document_id_tests.rs"]
mod tests;
