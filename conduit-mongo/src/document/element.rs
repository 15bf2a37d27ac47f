//! Walks the elements of raw BSON without copying, and without trusting it.

use std::fmt;

/// Why bytes are no document that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeError {
    reason: &'static str,
}

impl DecodeError {
    pub(crate) const fn new(reason: &'static str) -> Self {
        Self { reason }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl std::error::Error for DecodeError {}

const TRUNCATED: DecodeError =
    DecodeError::new("malformed BSON: a value reaches past the end of its document");

/// The type byte of an element, as the BSON specification (bsonspec.org, version 1.1) lists them.
pub(crate) mod kind {
    pub(crate) const DOUBLE: u8 = 0x01;
    pub(crate) const STRING: u8 = 0x02;
    pub(crate) const DOCUMENT: u8 = 0x03;
    pub(crate) const ARRAY: u8 = 0x04;
    pub(crate) const BINARY: u8 = 0x05;
    pub(crate) const UNDEFINED: u8 = 0x06;
    pub(crate) const OBJECT_ID: u8 = 0x07;
    pub(crate) const BOOLEAN: u8 = 0x08;
    pub(crate) const DATE: u8 = 0x09;
    pub(crate) const NULL: u8 = 0x0A;
    pub(crate) const REGEX: u8 = 0x0B;
    pub(crate) const DB_POINTER: u8 = 0x0C;
    pub(crate) const CODE: u8 = 0x0D;
    pub(crate) const SYMBOL: u8 = 0x0E;
    pub(crate) const CODE_WITH_SCOPE: u8 = 0x0F;
    pub(crate) const INT32: u8 = 0x10;
    pub(crate) const TIMESTAMP: u8 = 0x11;
    pub(crate) const INT64: u8 = 0x12;
    pub(crate) const DECIMAL128: u8 = 0x13;
    pub(crate) const MAX_KEY: u8 = 0x7F;
    pub(crate) const MIN_KEY: u8 = 0xFF;
}

/// One element: its name and its value's bytes, whose length is right for its kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) kind: u8,
    pub(crate) value: &'a [u8],
}

impl<'a> Element<'a> {
    /// The bytes of a string, code or symbol, without its length and its NUL.
    pub(crate) fn text(&self) -> Result<&'a [u8], DecodeError> {
        length_prefixed_text(self.value)
    }

    /// The bytes of a nested document or array.
    pub(crate) fn nested(&self) -> Option<&'a [u8]> {
        matches!(self.kind, kind::DOCUMENT | kind::ARRAY).then_some(self.value)
    }

    pub(crate) fn int32(&self) -> Result<i32, DecodeError> {
        fixed(self.value).map(i32::from_le_bytes)
    }

    pub(crate) fn int64(&self) -> Result<i64, DecodeError> {
        fixed(self.value).map(i64::from_le_bytes)
    }

    pub(crate) fn double(&self) -> Result<f64, DecodeError> {
        fixed(self.value).map(f64::from_le_bytes)
    }

    /// The seconds and the counter of a timestamp.
    pub(crate) fn timestamp(&self) -> Result<(u32, u32), DecodeError> {
        let value = fixed(self.value).map(u64::from_le_bytes)?;
        let [t0, t1, t2, t3, i0, i1, i2, i3] = value.to_be_bytes();
        Ok((
            u32::from_be_bytes([t0, t1, t2, t3]),
            u32::from_be_bytes([i0, i1, i2, i3]),
        ))
    }

    /// The subtype and the data of a binary; of the old subtype 2 without its inner length.
    pub(crate) fn binary(&self) -> Result<(u8, &'a [u8]), DecodeError> {
        let (subtype, data) = self
            .value
            .get(4..)
            .and_then(<[u8]>::split_first)
            .ok_or(TRUNCATED)?;
        if *subtype == 2
            && let Some((inner, rest)) = data.split_first_chunk::<4>()
            && usize::try_from(i32::from_le_bytes(*inner)) == Ok(rest.len())
        {
            return Ok((*subtype, rest));
        }
        Ok((*subtype, data))
    }

    /// The pattern and the options of a regular expression.
    pub(crate) fn regex(&self) -> Result<(&'a [u8], &'a [u8]), DecodeError> {
        let (pattern, rest) = split_text(self.value)?;
        let (options, _) = split_text(rest)?;
        Ok((pattern, options))
    }

    /// The namespace and the id of a database pointer.
    pub(crate) fn db_pointer(&self) -> Result<(&'a [u8], &'a [u8]), DecodeError> {
        let at = self.value.len().checked_sub(12).ok_or(TRUNCATED)?;
        let (namespace, id) = self.value.split_at(at);
        Ok((length_prefixed_text(namespace)?, id))
    }

    /// The code and the scope of code with a scope.
    pub(crate) fn code_with_scope(&self) -> Result<(&'a [u8], &'a [u8]), DecodeError> {
        let inner = self.value.get(4..).ok_or(TRUNCATED)?;
        let length = read_length(inner)?.checked_add(4).ok_or(TRUNCATED)?;
        if length > inner.len() {
            return Err(TRUNCATED);
        }
        let (code, scope) = inner.split_at(length);
        Ok((length_prefixed_text(code)?, scope))
    }
}

/// The elements of a document or array in their order. Ends after the first error.
#[derive(Clone, Debug)]
pub(crate) struct Elements<'a> {
    document: &'a [u8],
    at: usize,
}

impl<'a> Elements<'a> {
    /// Walks `document`, which must be exactly one document or array.
    pub(crate) fn new(document: &'a [u8]) -> Result<Self, DecodeError> {
        if read_length(document)? != document.len() || document.len() < 5 || document.last() != Some(&0) {
            return Err(DecodeError::new(
                "malformed BSON: the length of a document is not its size",
            ));
        }
        Ok(Self { document, at: 4 })
    }

    /// Goes on with `document` where another walk of it stood at `offset`.
    pub(crate) fn resume(document: &'a [u8], offset: usize) -> Result<Self, DecodeError> {
        let mut elements = Self::new(document)?;
        elements.at = offset.clamp(4, document.len() - 1);
        Ok(elements)
    }

    /// Where the next element starts.
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    fn read(&mut self) -> Result<Element<'a>, DecodeError> {
        let body = self
            .document
            .get(self.at..self.document.len() - 1)
            .ok_or(TRUNCATED)?;
        let (kind, rest) = body.split_first().ok_or(TRUNCATED)?;
        let (name, rest) = split_text(rest)?;
        let length = value_length(*kind, rest)?;
        let value = rest.get(..length).ok_or(TRUNCATED)?;
        self.at += 1 + name.len() + 1 + length;
        Ok(Element {
            name,
            kind: *kind,
            value,
        })
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Element<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.document.len() - 1 {
            return None;
        }
        let element = self.read();
        if element.is_err() {
            self.at = self.document.len();
        }
        Some(element)
    }
}

/// Finds the last element of that name, since the last of duplicate names counts.
pub(crate) fn find<'a>(document: &'a [u8], name: &[u8]) -> Result<Option<Element<'a>>, DecodeError> {
    let mut found = None;
    for element in Elements::new(document)? {
        let element = element?;
        if element.name == name {
            found = Some(element);
        }
    }
    Ok(found)
}

fn value_length(kind: u8, rest: &[u8]) -> Result<usize, DecodeError> {
    let prefixed = |extra: usize, least: usize| {
        let length = read_length(rest)?;
        if length < least {
            return Err(DecodeError::new("malformed BSON: a length is too small"));
        }
        length.checked_add(extra).ok_or(TRUNCATED)
    };
    match kind {
        kind::UNDEFINED | kind::NULL | kind::MIN_KEY | kind::MAX_KEY => Ok(0),
        kind::BOOLEAN => Ok(1),
        kind::INT32 => Ok(4),
        kind::DOUBLE | kind::DATE | kind::TIMESTAMP | kind::INT64 => Ok(8),
        kind::OBJECT_ID => Ok(12),
        kind::DECIMAL128 => Ok(16),
        kind::STRING | kind::CODE | kind::SYMBOL => prefixed(4, 1),
        kind::DOCUMENT | kind::ARRAY => prefixed(0, 5),
        kind::BINARY => prefixed(5, 0),
        kind::DB_POINTER => prefixed(16, 1),
        kind::CODE_WITH_SCOPE => prefixed(0, 14),
        kind::REGEX => {
            let (pattern, rest) = split_text(rest)?;
            let (options, _) = split_text(rest)?;
            Ok(pattern.len() + options.len() + 2)
        }
        _ => Err(DecodeError::new("malformed BSON: a value is of an unknown type")),
    }
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], DecodeError> {
    bytes.first_chunk::<N>().copied().ok_or(TRUNCATED)
}

fn read_length(bytes: &[u8]) -> Result<usize, DecodeError> {
    let length = fixed(bytes).map(i32::from_le_bytes)?;
    usize::try_from(length).map_err(|_| DecodeError::new("malformed BSON: a length is negative"))
}

fn length_prefixed_text(bytes: &[u8]) -> Result<&[u8], DecodeError> {
    let end = read_length(bytes)?.checked_add(3).ok_or(TRUNCATED)?;
    bytes.get(4..end).ok_or(TRUNCATED)
}

fn split_text(bytes: &[u8]) -> Result<(&[u8], &[u8]), DecodeError> {
    let end = find_zero(bytes).ok_or(TRUNCATED)?;
    Ok((&bytes[..end], &bytes[end + 1..]))
}

/// Finds the first zero; looks at eight bytes at a time, since this is done for every field name.
fn find_zero(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let mut passed = 0;
    let mut rest = bytes;
    while let Some((chunk, after)) = rest.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        // The lowest high bit that is set is that of the first zero; bytes after it may be wrong.
        let zeros = word.wrapping_sub(ONES) & !word & HIGHS;
        if zeros != 0 {
            return Some(passed + zeros.trailing_zeros() as usize / 8);
        }
        passed += 8;
        rest = after;
    }
    let end = rest.iter().position(|byte| *byte == 0)?;
    Some(passed + end)
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_walk_yields_names_kinds_and_values_in_order() {
        let document = rawdoc! { "a": 1, "b": "two", "c": { "d": true } };
        let found: Vec<_> = Elements::new(document.as_bytes())
            .unwrap()
            .map(|element| element.unwrap())
            .collect();
        assert_eq!(
            found.iter().map(|element| element.name).collect::<Vec<_>>(),
            [b"a", b"b", b"c"]
        );
        assert_eq!(found[0].int32(), Ok(1));
        assert_eq!(found[1].text(), Ok(&b"two"[..]));
        assert!(found[2].nested().is_some());
    }

    #[test]
    fn a_walk_goes_on_where_another_stood() {
        let document = rawdoc! { "a": 1, "b": 2 };
        let mut elements = Elements::new(document.as_bytes()).unwrap();
        elements.next();
        let mut rest = Elements::resume(document.as_bytes(), elements.offset()).unwrap();
        assert_eq!(rest.next().unwrap().unwrap().name, b"b");
        assert!(rest.next().is_none());
    }

    proptest! {
        #[test]
        fn the_first_zero_is_found(bytes in proptest::collection::vec(0u8..3, 0..40)) {
            prop_assert_eq!(find_zero(&bytes), bytes.iter().position(|byte| *byte == 0));
            let high: Vec<u8> = bytes.iter().map(|byte| byte.wrapping_mul(0x80)).collect();
            prop_assert_eq!(find_zero(&high), high.iter().position(|byte| *byte == 0));
        }

        #[test]
        fn no_bytes_make_a_walk_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
            flip in any::<u8>(),
            at in 0usize..64,
        ) {
            let walk = |document: &[u8]| {
                if let Ok(elements) = Elements::new(document) {
                    for element in elements.flatten() {
                        let _ = (element.text(), element.binary(), element.regex(), element.db_pointer());
                        let _ = (element.code_with_scope(), element.timestamp(), element.double());
                    }
                }
            };
            let mut framed = i32::try_from(bytes.len() + 5).unwrap().to_le_bytes().to_vec();
            framed.extend_from_slice(&bytes);
            framed.push(0);
            walk(&framed);
            let mut real = rawdoc! { "a": 1, "b": "two", "r": { "x": [1, 2] }, "e": 2.5 }.into_bytes();
            let at = at % real.len();
            real[at] = flip;
            walk(&real);
        }
    }
}
