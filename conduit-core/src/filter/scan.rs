//! Walks over JSON bytes and checks them on the way, as strictly as the JSON grammar is, without a copy.

use super::text::Text;

/// How deep arrays and objects of a document may nest; MongoDB allows 100 levels.
pub(super) const MAX_DEPTH: usize = 256;

/// A place in JSON bytes. Everything here returns `None` where the bytes are not JSON.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next byte that is no space, which is not taken.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.bytes.get(self.at)?;
            if byte > b' ' {
                return Some(byte);
            }
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return None;
            }
            self.at += 1;
        }
    }

    /// Takes the byte that was peeked at.
    #[inline]
    pub(super) fn take(&mut self) {
        self.at += 1;
    }

    /// Takes `expected`, which must come next.
    #[inline]
    pub(super) fn expect(&mut self, expected: u8) -> Option<()> {
        if self.peek()? != expected {
            return None;
        }
        self.at += 1;
        Some(())
    }

    /// Whether nothing but spaces is left.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.peek().is_none() && self.at >= self.bytes.len()
    }

    /// Takes the separator after an element: whether another one follows.
    #[inline]
    pub(super) fn goes_on(&mut self, end: u8) -> Option<bool> {
        let byte = self.peek()?;
        self.at += 1;
        if byte == b',' {
            return Some(true);
        }
        if byte == end { Some(false) } else { None }
    }

    /// Takes what opens an array or object: whether it has an element.
    #[inline]
    pub(super) fn open(&mut self, end: u8) -> Option<bool> {
        self.at += 1;
        if self.peek()? == end {
            self.at += 1;
            return Some(false);
        }
        Some(true)
    }

    /// Takes a member's name and the colon.
    #[inline]
    pub(super) fn name(&mut self) -> Option<Text<'a>> {
        self.expect(b'"')?;
        let name = self.string_after_quote()?;
        self.expect(b':')?;
        Some(name)
    }

    /// Takes a string whose quote was taken.
    #[inline]
    pub(super) fn string_after_quote(&mut self) -> Option<Text<'a>> {
        let start = self.at;
        self.skip_run();
        if self.bytes.get(self.at) == Some(&b'"') {
            let raw = self.bytes.get(start..self.at)?;
            self.at += 1;
            return Some(Text::Plain(raw));
        }
        self.escaped_string(start)
    }

    #[cold]
    fn escaped_string(&mut self, start: usize) -> Option<Text<'a>> {
        loop {
            match self.bytes.get(self.at)? {
                b'"' => {
                    let raw = self.bytes.get(start..self.at)?;
                    self.at += 1;
                    return Some(Text::Escaped(raw));
                }
                b'\\' => self.skip_escape()?,
                // A control character.
                _ => return None,
            }
            self.skip_run();
        }
    }

    fn skip_escape(&mut self) -> Option<()> {
        let is_unicode = match self.bytes.get(self.at + 1)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => false,
            b'u' => true,
            _ => return None,
        };
        self.at += 2;
        if is_unicode {
            let digits = self.bytes.get(self.at..self.at + 4)?;
            if !digits.iter().all(u8::is_ascii_hexdigit) {
                return None;
            }
            self.at += 4;
        }
        Some(())
    }

    /// Moves to the next quote, backslash or control character, or to the end.
    #[inline]
    fn skip_run(&mut self) {
        // Most names and many values end within the first words; longer ones are worth the wider steps.
        for _ in 0..2 {
            let Some(word) = self.word() else {
                return self.skip_run_by_byte();
            };
            let stops = stops_in(word);
            if stops != 0 {
                self.at += (stops.trailing_zeros() / 8) as usize;
                return;
            }
            self.at += 8;
        }
        self.skip_long_run();
    }

    fn skip_long_run(&mut self) {
        while let Some(block) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk::<32>) {
            // Without a way out the compiler makes a few vector instructions of it.
            let stops = block.iter().fold(false, |stops, &byte| stops | is_stop(byte));
            if stops {
                break;
            }
            self.at += 32;
        }
        while let Some(word) = self.word() {
            let stops = stops_in(word);
            if stops != 0 {
                self.at += (stops.trailing_zeros() / 8) as usize;
                return;
            }
            self.at += 8;
        }
        self.skip_run_by_byte();
    }

    fn skip_run_by_byte(&mut self) {
        while self.bytes.get(self.at).is_some_and(|&byte| !is_stop(byte)) {
            self.at += 1;
        }
    }

    #[inline]
    fn word(&self) -> Option<u64> {
        let word = self.bytes.get(self.at..)?.first_chunk::<8>()?;
        Some(u64::from_le_bytes(*word))
    }

    /// Takes a number, as it stands.
    #[inline]
    pub(super) fn number(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        if self.bytes.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        self.bytes.get(start..self.at)
    }

    #[inline]
    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    /// Takes `true`, `false` or `null`.
    #[inline]
    pub(super) fn literal(&mut self, expected: &[u8]) -> Option<()> {
        let end = self.at + expected.len();
        if self.bytes.get(self.at..end)? != expected {
            return None;
        }
        self.at = end;
        Some(())
    }

    /// Takes any value, at a depth of `depth` already.
    #[inline]
    pub(super) fn skip_value(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'"' => {
                self.at += 1;
                self.string_after_quote()?;
                Some(())
            }
            b'-' | b'0'..=b'9' => self.number().map(drop),
            b'{' | b'[' => self.skip_nested(depth),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            _ => None,
        }
    }

    /// Takes an array or object.
    pub(super) fn skip_nested(&mut self, depth: usize) -> Option<()> {
        if depth >= MAX_DEPTH {
            return None;
        }
        let is_object = self.peek()? == b'{';
        let end = if is_object { b'}' } else { b']' };
        let mut has_more = self.open(end)?;
        while has_more {
            if is_object {
                self.name()?;
            }
            self.skip_value(depth + 1)?;
            has_more = self.goes_on(end)?;
        }
        Some(())
    }
}

/// Whether the bytes are one JSON value that does not nest too deep.
pub(super) fn is_json(bytes: &[u8]) -> bool {
    let mut scan = Scan::new(bytes);
    scan.skip_value(0).is_some() && scan.is_at_end()
}

#[inline]
const fn is_stop(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < b' '
}

/// Has the highest bit of a byte set where `word` has a quote, a backslash or a control character. Bits above the lowest
/// one can be wrong.
#[inline]
const fn stops_in(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    let quotes = word ^ ONES * b'"' as u64;
    let backslashes = word ^ ONES * b'\\' as u64;
    let zeros = quotes.wrapping_sub(ONES) & !quotes | backslashes.wrapping_sub(ONES) & !backslashes;
    (zeros | word.wrapping_sub(ONES * b' ' as u64) & !word) & HIGHS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    #[test]
    fn only_json_is_taken() {
        for good in [
            "null",
            " [ ] ",
            "{}",
            "-0.5e+10",
            "0",
            "\"a\\u00e9\\n\"",
            "[1,[2],{\"a\":{}}]",
            "\t{\"a\" : 1 , \"b\":[]}\n",
        ] {
            assert!(is_json(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            " ",
            "nul",
            "nullx",
            "01",
            "1.",
            ".5",
            "-",
            "1e",
            "+1",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "{\"a\":1,}",
            "\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\u{1}\"",
            "[",
            "{",
            "]",
            "1 2",
            "[}",
            "{]",
            "\u{b}1",
        ] {
            assert!(!is_json(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn what_nests_too_deep_is_not_taken_and_overflows_nothing() {
        let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
        assert!(is_json(&nested(MAX_DEPTH)));
        assert!(!is_json(&nested(MAX_DEPTH + 1)));
        assert!(!is_json(&nested(1_000_000)));
        assert!(!is_json(&vec![b'['; 1_000_000]));
    }

    proptest! {
        #[test]
        fn it_takes_what_serde_takes(text in "[\\[\\]{}:,\"a\\\\u0-9truefalsn. \n-]{0,24}") {
            let expected = serde_json::from_slice::<IgnoredAny>(text.as_bytes()).is_ok();
            prop_assert_eq!(is_json(text.as_bytes()), expected);
        }

        #[test]
        fn strings_end_where_they_end(before in "[ -!#-\\[\\]-~é€]{0,90}", after in "[a-z]{0,40}") {
            let json = format!("\"{before}\",{after}");
            let mut scan = Scan::new(json.as_bytes());
            scan.take();
            let text = scan.string_after_quote();
            prop_assert!(matches!(text, Some(Text::Plain(raw)) if raw == before.as_bytes()));
            prop_assert_eq!(scan.peek(), Some(b','));
        }
    }
}
