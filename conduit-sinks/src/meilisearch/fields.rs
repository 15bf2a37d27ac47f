//! The fields of a JSON object, their values untouched.

use std::fmt;

use serde::Deserializer;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

/// Returns the fields of a JSON object in their order, each with the text of its value.
///
/// # Errors
/// If the text is not a JSON object.
pub(super) fn fields(json: &[u8]) -> Result<Vec<(String, &RawValue)>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let fields = deserializer.deserialize_map(Fields)?;
    deserializer.end()?;
    Ok(fields)
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_text_and_fields_their_order() {
        let read = fields(br#" {"b":1.0,"\u0061":{"x": [1]}} "#).unwrap();
        let shown: Vec<(&str, &str)> = read.iter().map(|(name, value)| (&**name, value.get())).collect();
        assert_eq!(shown, [("b", "1.0"), ("a", r#"{"x": [1]}"#)]);
    }

    #[test]
    fn only_an_object_has_fields() {
        for bad in ["", "1", "[]", "null", r#"{"a":1"#, r#"{"a":1}{}"#] {
            assert!(fields(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
