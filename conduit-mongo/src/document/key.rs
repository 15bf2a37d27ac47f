//! Hashes the values of a key, so that values which MongoDB's unique index takes for one hash to one.

use conduit_core::RecordKey;

use super::decimal::Number;
use super::element::{DecodeError, Element, Elements, kind};

/// As deep as a document may nest; see the JSON writer.
const MAX_DEPTH: usize = 256;

/// What stands before each value; numbers of all types share one. Never changes: hashes are stored.
mod tag {
    pub(super) const END: u8 = 0;
    pub(super) const NULL: u8 = 1;
    pub(super) const NUMBER: u8 = 2;
    pub(super) const STRING: u8 = 3;
    pub(super) const DOCUMENT: u8 = 4;
    pub(super) const ARRAY: u8 = 5;
    pub(super) const OTHER: u8 = 6;
}

/// Hashes `values` in their order.
///
/// Numbers compare by value whatever their type, strings and symbols by their bytes, missing and undefined
/// values are null, documents compare by names and values in their order.
pub(crate) fn hash_values<'a>(
    values: impl Iterator<Item = Option<Element<'a>>>,
    scratch: &mut Vec<u8>,
) -> Result<RecordKey, DecodeError> {
    scratch.clear();
    for value in values {
        match value {
            Some(element) => write_value(&element, scratch, 0)?,
            None => scratch.push(tag::NULL),
        }
    }
    Ok(RecordKey::of(scratch))
}

fn write_value(element: &Element<'_>, out: &mut Vec<u8>, depth: usize) -> Result<(), DecodeError> {
    if depth >= MAX_DEPTH {
        return Err(DecodeError::new("a key is nested too deep"));
    }
    match element.kind {
        kind::NULL | kind::UNDEFINED => out.push(tag::NULL),
        kind::INT32 => write_number(Number::of_integer(i64::from(element.int32()?)), out),
        kind::INT64 => write_number(Number::of_integer(element.int64()?), out),
        kind::DOUBLE => write_number(Number::of_double(element.double()?), out),
        kind::DECIMAL128 => {
            let bytes = element
                .value
                .try_into()
                .map_err(|_| DecodeError::new("malformed BSON: a decimal is cut short"))?;
            write_number(Number::of_decimal128(bytes), out);
        }
        kind::STRING | kind::SYMBOL => {
            out.push(tag::STRING);
            write_bytes(element.text()?, out);
        }
        kind::DOCUMENT | kind::ARRAY => {
            let is_document = element.kind == kind::DOCUMENT;
            out.push(if is_document { tag::DOCUMENT } else { tag::ARRAY });
            for inner in Elements::new(element.value)? {
                let inner = inner?;
                write_value(&inner, out, depth + 1)?;
                if is_document {
                    write_bytes(inner.name, out);
                }
            }
            out.push(tag::END);
        }
        other => {
            out.extend_from_slice(&[tag::OTHER, other]);
            write_bytes(element.value, out);
        }
    }
    Ok(())
}

fn write_number(number: Number, out: &mut Vec<u8>) {
    out.push(tag::NUMBER);
    number.write(out);
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use bson::{RawDocumentBuf, oid::ObjectId, rawdoc};

    use super::*;

    fn hash(document: RawDocumentBuf) -> RecordKey {
        let values = Elements::new(document.as_bytes())
            .unwrap()
            .map(|element| Some(element.unwrap()));
        hash_values(values, &mut Vec::new()).unwrap()
    }

    #[test]
    fn numbers_of_one_value_hash_to_one_key_also_inside_documents() {
        let one: bson::Decimal128 = "1.0".parse().unwrap();
        assert_eq!(hash(rawdoc! { "_id": 1 }), hash(rawdoc! { "_id": 1i64 }));
        assert_eq!(hash(rawdoc! { "_id": 1 }), hash(rawdoc! { "_id": 1.0 }));
        assert_eq!(hash(rawdoc! { "_id": 1 }), hash(rawdoc! { "_id": one }));
        assert_eq!(
            hash(rawdoc! { "_id": { "a": [0] } }),
            hash(rawdoc! { "_id": { "a": [-0.0] } })
        );
    }

    #[test]
    fn different_values_hash_to_different_keys() {
        let id = ObjectId::from_bytes([7; 12]);
        let documents = [
            rawdoc! { "_id": 1 },
            rawdoc! { "_id": "1" },
            rawdoc! { "_id": id },
            rawdoc! { "_id": id.to_hex() },
            rawdoc! { "_id": { "a": 1 } },
            rawdoc! { "_id": { "b": 1 } },
            rawdoc! { "_id": { "a": 1, "b": { "c": 2 } } },
            rawdoc! { "_id": { "a": 1, "b": {}, "c": 2 } },
            rawdoc! { "_id": [1] },
            rawdoc! { "_id": true },
            rawdoc! { "a": "x", "b": "y" },
            rawdoc! { "a": "xy", "b": "" },
        ];
        let keys: std::collections::HashSet<_> = documents.into_iter().map(hash).collect();
        assert_eq!(keys.len(), 12);
    }

    #[test]
    fn the_hash_of_a_key_never_changes_between_versions() {
        assert_eq!(
            hash(rawdoc! { "_id": { "a": [1, "x", true] } }).to_string(),
            "d84e7151eda37d9a25b90503752d87c1"
        );
    }

    #[test]
    fn a_missing_value_is_null() {
        let missing = hash_values([None].into_iter(), &mut Vec::new()).unwrap();
        assert_eq!(missing, hash(rawdoc! { "a": bson::RawBson::Null }));
    }
}
