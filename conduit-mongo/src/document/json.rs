//! Writes raw BSON as JSON, in one pass and without a tree in between.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bson::{Decimal128, RawDocument};
use conduit_core::ImageFormat;

use super::element::{DecodeError, Element, Elements, kind};
use super::names::FieldNames;
use super::text::{push_date, push_hex, push_string};

/// MongoDB nests documents at most 200 deep; deeper bytes are an attack on the stack.
const MAX_DEPTH: usize = 256;

/// Appends `document` to `out` as a JSON object.
///
/// In the order of its fields; of fields with the same name the last counts. Text that is no UTF-8 gets
/// replacement characters. With [`ImageFormat::Json`]: ObjectId as hexadecimal digits, dates as RFC 3339 in
/// UTC with milliseconds, integers with all digits, doubles as the shortest number that reads back (`"NaN"`,
/// `"Infinity"`, `"-Infinity"` as strings), Decimal128 as a string, binary as base64 and UUID in its usual
/// form, timestamps as `{"t", "i"}`, regular expressions as `"/pattern/options"`, code (without its scope)
/// and symbols as strings, `"$minKey"` and `"$maxKey"`, undefined as null, and the deprecated database
/// pointer as `{"$ref": namespace, "$id": digits}`. With [`ImageFormat::Extjson`]: canonical Extended JSON
/// v2.
///
/// # Errors
/// If the bytes are malformed or nest deeper than MongoDB allows; `out` then has an incomplete object at its
/// end.
pub fn write_json(document: &RawDocument, format: ImageFormat, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    write_json_bytes(document.as_bytes(), format, out)
}

/// As [`write_json`], of a document's bytes.
pub(crate) fn write_json_bytes(
    document: &[u8],
    format: ImageFormat,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    JsonWriter { out, format }.document(document, 0)
}

/// Writes an object of `fields`; a field without an element is null.
pub(crate) fn write_fields<'a>(
    fields: impl Iterator<Item = (&'a [u8], Option<Element<'a>>)>,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    let mut writer = JsonWriter {
        out,
        format: ImageFormat::Json,
    };
    writer.out.push(b'{');
    for (index, (name, element)) in fields.enumerate() {
        writer.name(name, index == 0);
        match element {
            Some(element) => writer.value(&element, 0)?,
            None => writer.raw(b"null"),
        }
    }
    writer.out.push(b'}');
    Ok(())
}

struct JsonWriter<'o> {
    out: &'o mut Vec<u8>,
    format: ImageFormat,
}

impl JsonWriter<'_> {
    fn document(&mut self, document: &[u8], depth: usize) -> Result<(), DecodeError> {
        let start = self.out.len();
        let mut names = FieldNames::default();
        let mut elements = Elements::new(document)?;
        let mut first = true;
        self.out.push(b'{');
        loop {
            let offset = elements.offset();
            let Some(element) = elements.next() else { break };
            let element = element?;
            if names.is_repeated(element.name, document, offset)? {
                self.out.truncate(start);
                return self.document_with_repeated_names(document, depth);
            }
            self.name(element.name, first);
            self.value(&element, depth)?;
            first = false;
        }
        self.out.push(b'}');
        Ok(())
    }

    /// A repeated name keeps its first place and takes its last value, as JSON parsers have it.
    fn document_with_repeated_names(&mut self, document: &[u8], depth: usize) -> Result<(), DecodeError> {
        let mut places = std::collections::HashMap::new();
        let mut fields: Vec<Element<'_>> = Vec::new();
        for element in Elements::new(document)? {
            let element = element?;
            let place = *places.entry(element.name).or_insert(fields.len());
            match fields.get_mut(place) {
                Some(field) => *field = element,
                None => fields.push(element),
            }
        }
        self.out.push(b'{');
        for (index, field) in fields.iter().enumerate() {
            self.name(field.name, index == 0);
            self.value(field, depth)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn array(&mut self, array: &[u8], depth: usize) -> Result<(), DecodeError> {
        self.out.push(b'[');
        for (index, element) in Elements::new(array)?.enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.value(&element?, depth)?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn name(&mut self, name: &[u8], first: bool) {
        if !first {
            self.out.push(b',');
        }
        push_string(self.out, name);
        self.out.push(b':');
    }

    fn value(&mut self, element: &Element<'_>, depth: usize) -> Result<(), DecodeError> {
        if depth >= MAX_DEPTH {
            return Err(DecodeError::new("a document is nested too deep"));
        }
        match element.kind {
            kind::DOCUMENT => return self.document(element.value, depth + 1),
            kind::ARRAY => return self.array(element.value, depth + 1),
            kind::STRING => push_string(self.out, element.text()?),
            kind::BOOLEAN => self.raw(if element.value == [0] { b"false" } else { b"true" }),
            kind::NULL => self.raw(b"null"),
            _ => match self.format {
                ImageFormat::Json => self.plain(element)?,
                ImageFormat::Extjson => self.extended(element, depth)?,
            },
        }
        Ok(())
    }

    fn plain(&mut self, element: &Element<'_>) -> Result<(), DecodeError> {
        match element.kind {
            kind::DOUBLE => match element.double()? {
                number if number.is_finite() => self.double(number),
                number => self.quoted(special_double(number)),
            },
            kind::INT32 => self.integer(element.int32()?),
            kind::INT64 => self.integer(element.int64()?),
            kind::OBJECT_ID => self.quoted_hex(element.value),
            kind::DATE => push_date(self.out, element.int64()?),
            kind::DECIMAL128 => self.quoted(&decimal_text(element)?),
            kind::BINARY => self.plain_binary(element)?,
            kind::TIMESTAMP => self.timestamp(element)?,
            kind::REGEX => {
                let (pattern, options) = element.regex()?;
                push_string(self.out, &[b"/", pattern, b"/", options].concat());
            }
            kind::CODE | kind::SYMBOL => push_string(self.out, element.text()?),
            kind::CODE_WITH_SCOPE => push_string(self.out, element.code_with_scope()?.0),
            kind::DB_POINTER => {
                let (namespace, id) = element.db_pointer()?;
                self.raw(b"{\"$ref\":");
                push_string(self.out, namespace);
                self.raw(b",\"$id\":");
                self.quoted_hex(id);
                self.raw(b"}");
            }
            kind::MIN_KEY => self.raw(b"\"$minKey\""),
            kind::MAX_KEY => self.raw(b"\"$maxKey\""),
            _ => self.raw(b"null"),
        }
        Ok(())
    }

    /// Canonical Extended JSON v2 (<https://github.com/mongodb/specifications>, extended-json).
    fn extended(&mut self, element: &Element<'_>, depth: usize) -> Result<(), DecodeError> {
        match element.kind {
            kind::DOUBLE => {
                self.raw(b"{\"$numberDouble\":\"");
                match element.double()? {
                    number if number.is_finite() => self.double(number),
                    number => self.raw(special_double(number).as_bytes()),
                }
                self.raw(b"\"}");
            }
            kind::INT32 => {
                self.raw(b"{\"$numberInt\":\"");
                self.integer(element.int32()?);
                self.raw(b"\"}");
            }
            kind::INT64 => self.extended_long(b"{\"$numberLong\":\"", element, b"\"}")?,
            kind::DATE => self.extended_long(b"{\"$date\":{\"$numberLong\":\"", element, b"\"}}")?,
            kind::OBJECT_ID => self.object_id(element.value),
            kind::DECIMAL128 => {
                self.raw(b"{\"$numberDecimal\":");
                self.quoted(&decimal_text(element)?);
                self.raw(b"}");
            }
            kind::BINARY => {
                let (subtype, data) = element.binary()?;
                self.raw(b"{\"$binary\":{\"base64\":");
                self.base64(data);
                self.raw(b",\"subType\":");
                self.quoted_hex(&[subtype]);
                self.raw(b"}}");
            }
            kind::TIMESTAMP => {
                self.raw(b"{\"$timestamp\":");
                self.timestamp(element)?;
                self.raw(b"}");
            }
            kind::REGEX => {
                let (pattern, options) = element.regex()?;
                let mut options = options.to_vec();
                options.sort_unstable();
                self.raw(b"{\"$regularExpression\":{\"pattern\":");
                push_string(self.out, pattern);
                self.raw(b",\"options\":");
                push_string(self.out, &options);
                self.raw(b"}}");
            }
            kind::CODE => self.wrapped(b"{\"$code\":", element.text()?),
            kind::SYMBOL => self.wrapped(b"{\"$symbol\":", element.text()?),
            kind::CODE_WITH_SCOPE => {
                let (code, scope) = element.code_with_scope()?;
                self.raw(b"{\"$code\":");
                push_string(self.out, code);
                self.raw(b",\"$scope\":");
                self.document(scope, depth + 1)?;
                self.raw(b"}");
            }
            kind::DB_POINTER => {
                let (namespace, id) = element.db_pointer()?;
                self.raw(b"{\"$dbPointer\":{\"$ref\":");
                push_string(self.out, namespace);
                self.raw(b",\"$id\":");
                self.object_id(id);
                self.raw(b"}}");
            }
            kind::MIN_KEY => self.raw(b"{\"$minKey\":1}"),
            kind::MAX_KEY => self.raw(b"{\"$maxKey\":1}"),
            _ => self.raw(b"{\"$undefined\":true}"),
        }
        Ok(())
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    fn quoted(&mut self, text: &str) {
        self.out.push(b'"');
        self.raw(text.as_bytes());
        self.out.push(b'"');
    }

    fn quoted_hex(&mut self, bytes: &[u8]) {
        self.out.push(b'"');
        push_hex(self.out, bytes);
        self.out.push(b'"');
    }

    fn wrapped(&mut self, opening: &[u8], text: &[u8]) {
        self.raw(opening);
        push_string(self.out, text);
        self.out.push(b'}');
    }

    fn object_id(&mut self, id: &[u8]) {
        self.raw(b"{\"$oid\":");
        self.quoted_hex(id);
        self.out.push(b'}');
    }

    fn extended_long(
        &mut self,
        before: &[u8],
        element: &Element<'_>,
        after: &[u8],
    ) -> Result<(), DecodeError> {
        self.raw(before);
        self.integer(element.int64()?);
        self.raw(after);
        Ok(())
    }

    fn integer(&mut self, number: impl itoa::Integer) {
        self.raw(itoa::Buffer::new().format(number).as_bytes());
    }

    /// The shortest text that reads back the same, always with a point or an exponent.
    fn double(&mut self, number: f64) {
        // Writing a finite number to a Vec cannot fail.
        let _ = serde_json::to_writer(&mut *self.out, &number);
    }

    fn timestamp(&mut self, element: &Element<'_>) -> Result<(), DecodeError> {
        let (t, i) = element.timestamp()?;
        self.raw(b"{\"t\":");
        self.integer(t);
        self.raw(b",\"i\":");
        self.integer(i);
        self.raw(b"}");
        Ok(())
    }

    fn plain_binary(&mut self, element: &Element<'_>) -> Result<(), DecodeError> {
        const UUID: u8 = 4;
        let (subtype, data) = element.binary()?;
        if subtype != UUID || data.len() != 16 {
            self.base64(data);
            return Ok(());
        }
        self.out.push(b'"');
        for (index, group) in [&data[..4], &data[4..6], &data[6..8], &data[8..10], &data[10..]]
            .iter()
            .enumerate()
        {
            if index > 0 {
                self.out.push(b'-');
            }
            push_hex(self.out, group);
        }
        self.out.push(b'"');
        Ok(())
    }

    fn base64(&mut self, data: &[u8]) {
        self.quoted(&STANDARD.encode(data));
    }
}

fn special_double(number: f64) -> &'static str {
    if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

fn decimal_text(element: &Element<'_>) -> Result<String, DecodeError> {
    let bytes = element
        .value
        .try_into()
        .map_err(|_| DecodeError::new("malformed BSON: a decimal is cut short"))?;
    Ok(Decimal128::from_bytes(bytes).to_string())
}
