//! A string of a JSON text, read without unescaping it into a buffer.

/// The inside of a JSON string, as it stands between its quotes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Text<'a> {
    /// Without escapes: the bytes are the string.
    Plain(&'a [u8]),
    /// With escapes, of which each is complete.
    Escaped(&'a [u8]),
}

impl<'a> Text<'a> {
    /// The string, if it stands there as it is.
    pub(super) fn plain(self) -> Option<&'a [u8]> {
        match self {
            Self::Plain(raw) => Some(raw),
            Self::Escaped(_) => None,
        }
    }

    /// Whether the string is `expected`.
    pub(super) fn is(self, expected: &[u8]) -> bool {
        match self {
            Self::Plain(raw) => raw == expected,
            Self::Escaped(raw) => Unescaped::new(raw).eq(expected.iter().copied()),
        }
    }

    /// Whether the string begins with `prefix`.
    pub(super) fn starts_with(self, prefix: &[u8]) -> bool {
        match self {
            Self::Plain(raw) => raw.starts_with(prefix),
            Self::Escaped(raw) => {
                let mut bytes = Unescaped::new(raw);
                prefix.iter().all(|&expected| bytes.next() == Some(expected))
            }
        }
    }

    /// Whether the string ends with `suffix`.
    pub(super) fn ends_with(self, suffix: &[u8]) -> bool {
        match self {
            Self::Plain(raw) => raw.ends_with(suffix),
            Self::Escaped(raw) => ends_with(Unescaped::new(raw), suffix),
        }
    }

    /// Unescapes the string into `room`: its length, or none if there is too little room.
    pub(super) fn copy_to(self, room: &mut [u8]) -> Option<usize> {
        let raw = match self {
            Self::Plain(raw) => {
                room.get_mut(..raw.len())?.copy_from_slice(raw);
                return Some(raw.len());
            }
            Self::Escaped(raw) => raw,
        };
        let mut length = 0;
        for byte in Unescaped::new(raw) {
            *room.get_mut(length)? = byte;
            length += 1;
        }
        Some(length)
    }
}

/// Whether what is left of `bytes` ends with `suffix`.
pub(super) fn ends_with(bytes: impl Iterator<Item = u8> + Clone, suffix: &[u8]) -> bool {
    let length = bytes.clone().count();
    length >= suffix.len() && bytes.skip(length - suffix.len()).eq(suffix.iter().copied())
}

/// The bytes of a string whose escapes are resolved one by one. Half a surrogate pair becomes the three bytes that UTF-8
/// would have for it: they are in no pattern.
#[derive(Clone, Debug)]
pub(super) struct Unescaped<'a> {
    raw: &'a [u8],
    /// Bytes of the last escape that were not given out yet, the next one lowest.
    pending: u32,
}

impl<'a> Unescaped<'a> {
    pub(super) fn new(raw: &'a [u8]) -> Self {
        Self { raw, pending: 0 }
    }

    /// Reads `\uXXXX` at the start of what is left.
    fn unit(&self) -> Option<u32> {
        let [b'\\', b'u', digits @ ..] = self.raw else {
            return None;
        };
        let digits = std::str::from_utf8(digits.get(..4)?).ok()?;
        u32::from_str_radix(digits, 16).ok()
    }

    /// Resolves the `\u` escape at the start of what is left; with the second half of a pair, if one follows.
    fn unicode(&mut self) -> Option<u8> {
        let mut code = self.unit()?;
        self.raw = self.raw.get(6..)?;
        if (0xD800..0xDC00).contains(&code)
            && let Some(low) = self.unit().filter(|low| (0xDC00..0xE000).contains(low))
        {
            code = 0x1_0000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            self.raw = self.raw.get(6..)?;
        }
        let continued = |shift: u32| 0x80 | (code >> shift & 0x3F);
        let (first, rest) = match code {
            0..0x80 => (code, 0),
            0x80..0x800 => (0xC0 | code >> 6, continued(0)),
            0x800..0x1_0000 => (0xE0 | code >> 12, continued(6) | continued(0) << 8),
            _ => (
                0xF0 | code >> 18,
                continued(12) | continued(6) << 8 | continued(0) << 16,
            ),
        };
        // A continuation byte is never zero, so zero says that nothing is left.
        self.pending = rest;
        u8::try_from(first).ok()
    }
}

impl Iterator for Unescaped<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        if self.pending != 0 {
            let byte = self.pending.to_le_bytes()[0];
            self.pending >>= 8;
            return Some(byte);
        }
        let (&first, rest) = self.raw.split_first()?;
        if first != b'\\' {
            self.raw = rest;
            return Some(first);
        }
        let (&escape, rest) = rest.split_first()?;
        let byte = match escape {
            b'u' => return self.unicode(),
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            itself => itself,
        };
        self.raw = rest;
        Some(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unescaped(raw: &str) -> String {
        String::from_utf8(Unescaped::new(raw.as_bytes()).collect()).unwrap()
    }

    #[test]
    fn escapes_are_resolved_as_serde_resolves_them() {
        for raw in [
            r"plain é",
            r#"\"\\\/\b\f\n\r\t"#,
            r"\u0041\u00e9\u20AC\ud83d\ude00 after",
            r"\u0000",
            r"\u0000\u007f\u0080\u07ff\u0800\uffff\udbff\udfff",
        ] {
            let expected: String = serde_json::from_str(&format!("\"{raw}\"")).unwrap();
            assert_eq!(unescaped(raw), expected);
        }
    }

    #[test]
    fn half_a_pair_equals_nothing() {
        let bytes: Vec<u8> = Unescaped::new(br"\ud83d\u0041").collect();
        assert_eq!(bytes, [0xED, 0xA0, 0xBD, b'A']);
        assert!(String::from_utf8(bytes).is_err());
    }

    #[test]
    fn prefixes_and_suffixes_see_through_escapes() {
        let text = Text::Escaped(br"\u0061b\u00e9");
        assert!(text.is("abé".as_bytes()));
        assert!(text.starts_with(b"ab") && !text.starts_with(b"b") && !text.starts_with("abéx".as_bytes()));
        assert!(text.ends_with("é".as_bytes()) && text.ends_with(b"") && !text.ends_with(b"b"));
        assert!(!text.ends_with("xabé".as_bytes()));
    }
}
