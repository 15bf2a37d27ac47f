//! Walks over JSON bytes and checks them on the way, as strictly as the JSON grammar is, without a copy.

use super::string_end::{escaped_string_end, run_end, string_end};
use super::text::Text;

/// How deep arrays and objects of a document may nest; MongoDB allows 100 levels.
pub(super) const MAX_DEPTH: usize = 256;

/// A member's name, as it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name<'a> {
    pub(super) text: Text<'a>,
    /// Of a name without escapes, what [`head_of`] says.
    pub(super) head: u64,
}

/// The first eight bytes as a number, zeros for those that are not there: most names are told apart by it.
pub(super) fn head_of(raw: &[u8]) -> u64 {
    let first = raw.iter().take(8).enumerate();
    first.fold(0, |head, (index, &byte)| head | u64::from(byte) << (8 * index))
}

/// A place in JSON bytes. Everything here returns `None` where the bytes are not JSON.
///
/// This is where a filter's time goes: so the ways that are taken most are inlined, and keep the place in a register.
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
    #[inline(always)]
    pub(super) fn peek(&mut self) -> Option<u8> {
        self.at = after_spaces(self.bytes, self.at);
        self.bytes.get(self.at).copied()
    }

    /// Whether nothing but spaces is left.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// Takes the separator after an element: whether another one follows.
    #[inline(always)]
    pub(super) fn goes_on(&mut self, end: u8) -> Option<bool> {
        let byte = self.peek()?;
        self.at += 1;
        if byte == b',' {
            return Some(true);
        }
        if byte == end { Some(false) } else { None }
    }

    /// Takes what opens an array or object: whether it has an element.
    #[inline(always)]
    pub(super) fn open(&mut self, end: u8) -> Option<bool> {
        self.at += 1;
        if self.peek()? == end {
            self.at += 1;
            return Some(false);
        }
        Some(true)
    }

    /// Takes a member's name and the colon.
    #[inline(always)]
    pub(super) fn name(&mut self) -> Option<Name<'a>> {
        if self.peek()? != b'"' {
            return None;
        }
        let start = self.at + 1;
        let text = self.string()?;
        if self.peek()? != b':' {
            return None;
        }
        self.at += 1;
        let head = match text {
            Text::Plain(raw) => self.head(start, raw),
            Text::Escaped(_) => 0,
        };
        Some(Name { text, head })
    }

    /// The head of the string that begins at `start`, where mostly more than its eight bytes are left.
    #[inline(always)]
    fn head(&self, start: usize, raw: &[u8]) -> u64 {
        match self.bytes.get(start..).and_then(<[u8]>::first_chunk) {
            Some(word) if raw.len() < 8 => u64::from_le_bytes(*word) & !(u64::MAX << (8 * raw.len())),
            Some(word) => u64::from_le_bytes(*word),
            None => head_of(raw),
        }
    }

    /// Takes a string, of which the quote was peeked at.
    #[inline(always)]
    pub(super) fn string(&mut self) -> Option<Text<'a>> {
        let start = self.at + 1;
        let end = run_end(self.bytes, start);
        if self.bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            return Some(Text::Plain(self.bytes.get(start..end)?));
        }
        let after = escaped_string_end(self.bytes, end)?;
        self.at = after;
        Some(Text::Escaped(self.bytes.get(start..after - 1)?))
    }

    /// Whether nothing of what is left can spell `name`, alone or with a dot after it, as the name of a member: there is no
    /// string that begins alike, and no escape. Can be wrong only by saying no.
    pub(super) fn is_free_of_names_like(&self, name: &[u8]) -> bool {
        let (&[first, second, ..], Some(left)) = (name, self.bytes.get(self.at..)) else {
            return false;
        };
        let (Some(nexts), Some(afters)) = (left.get(1..), left.get(2..)) else {
            return false;
        };
        // Without a way out the compiler makes a few vector instructions of it.
        let triples = left.iter().zip(nexts).zip(afters);
        let found = triples.fold(0, |found, ((&byte, &next), &after)| {
            let begins = (byte == b'"') & (next == first) & (after == second);
            found | u8::from(begins | (byte == b'\\'))
        });
        found == 0
    }

    /// Takes a number, as it stands.
    #[inline(always)]
    pub(super) fn number(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        self.at = number_end(self.bytes, start)?;
        self.bytes.get(start..self.at)
    }

    /// Takes `true`, `false` or `null`.
    #[inline]
    pub(super) fn literal(&mut self, expected: &[u8]) -> Option<()> {
        self.at = literal_end(self.bytes, self.at, expected)?;
        Some(())
    }

    /// Takes any value, at a depth of `depth` already.
    #[inline(always)]
    pub(super) fn skip_value(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'{' | b'[' => self.skip_nested(depth),
            first => {
                self.at = scalar_end(self.bytes, self.at, first)?;
                Some(())
            }
        }
    }

    /// Takes an array or object, which was peeked at.
    pub(super) fn skip_nested(&mut self, depth: usize) -> Option<()> {
        let bytes = self.bytes;
        let (mut at, mut level) = (self.at, depth);
        // For each level, whether it is an object; and the same of the innermost one.
        let (mut objects, mut is_object) = ([0_u64; MAX_DEPTH / 64], false);
        loop {
            at = after_spaces(bytes, at);
            let first = *bytes.get(at)?;
            if matches!(first, b'{' | b'[') {
                is_object = first == b'{';
                let word = objects.get_mut(level / 64)?;
                *word = *word & !(1 << (level % 64)) | u64::from(is_object) << (level % 64);
                level += 1;
                at = after_spaces(bytes, at + 1);
                if *bytes.get(at)? != closing(is_object) {
                    if is_object {
                        at = name_end(bytes, at)?;
                    }
                    continue;
                }
            } else {
                at = scalar_end(bytes, at, first)?;
                at = after_spaces(bytes, at);
            }
            // Here the value before was a plain one, or an empty level is about to be closed.
            loop {
                let byte = *bytes.get(at)?;
                at += 1;
                if byte == b',' {
                    if is_object {
                        at = name_end(bytes, after_spaces(bytes, at))?;
                    }
                    break;
                }
                if byte != closing(is_object) {
                    return None;
                }
                level -= 1;
                if level == depth {
                    self.at = at;
                    return Some(());
                }
                is_object = objects.get((level - 1) / 64)? >> ((level - 1) % 64) & 1 == 1;
                at = after_spaces(bytes, at);
            }
        }
    }
}

/// Whether the bytes are one JSON value that does not nest too deep.
pub(super) fn is_json(bytes: &[u8]) -> bool {
    let mut scan = Scan::new(bytes);
    scan.skip_value(0).is_some() && scan.is_at_end()
}

#[inline(always)]
const fn closing(is_object: bool) -> u8 {
    if is_object { b'}' } else { b']' }
}

/// The place of the next byte that is no space. Between the tokens of an image there is mostly none.
#[inline(always)]
fn after_spaces(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at) {
        Some(b'\0'..=b' ') => after_more_spaces(bytes, at),
        _ => at,
    }
}

#[cold]
fn after_more_spaces(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

/// The place after the name that begins at `at`, and its colon.
#[inline(always)]
fn name_end(bytes: &[u8], at: usize) -> Option<usize> {
    if *bytes.get(at)? != b'"' {
        return None;
    }
    let at = after_spaces(bytes, string_end(bytes, at + 1)?);
    if *bytes.get(at)? == b':' {
        Some(at + 1)
    } else {
        None
    }
}

/// The place after the value that begins with `first` at `at`, which is no array and no object.
#[inline(always)]
fn scalar_end(bytes: &[u8], at: usize, first: u8) -> Option<usize> {
    match first {
        b'"' => string_end(bytes, at + 1),
        b't' => literal_end(bytes, at, b"true"),
        b'f' => literal_end(bytes, at, b"false"),
        b'n' => literal_end(bytes, at, b"null"),
        _ => number_end(bytes, at),
    }
}

#[inline(always)]
fn literal_end(bytes: &[u8], at: usize, expected: &[u8]) -> Option<usize> {
    let end = at + expected.len();
    if bytes.get(at..end)? == expected {
        Some(end)
    } else {
        None
    }
}

/// The place after the number at `at`.
#[inline(always)]
fn number_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    if bytes.get(at) == Some(&b'-') {
        at += 1;
    }
    at = if bytes.get(at) == Some(&b'0') {
        at + 1
    } else {
        digits_end(bytes, at)?
    };
    if bytes.get(at) == Some(&b'.') {
        at = digits_end(bytes, at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        at += 1;
        if let Some(b'+' | b'-') = bytes.get(at) {
            at += 1;
        }
        at = digits_end(bytes, at)?;
    }
    Some(at)
}

/// The place after the digits at `at`, of which there must be one.
#[inline(always)]
fn digits_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut end = at;
    while bytes.get(end).is_some_and(u8::is_ascii_digit) {
        end += 1;
    }
    if end > at { Some(end) } else { None }
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
            let text = scan.string();
            prop_assert!(matches!(text, Some(Text::Plain(raw)) if raw == before.as_bytes()));
            prop_assert_eq!(scan.peek(), Some(b','));
        }
    }
}
