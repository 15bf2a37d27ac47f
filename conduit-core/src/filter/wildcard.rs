//! Strings with gaps.

use super::text::{Text, Unescaped, ends_with};

/// A string whose stars stand for anything. The time it takes is linear in the value, whatever the value is.
#[derive(Clone, Debug)]
pub(super) struct Wildcard {
    /// What comes before the first star.
    start: Vec<u8>,
    /// What stands between stars.
    middle: Vec<Part>,
    /// What comes after the last star; none without a star.
    end: Option<Vec<u8>>,
}

/// How many stars a wildcard may have.
const MAX_STARS: usize = 16;

impl Wildcard {
    /// Reads a wildcard.
    ///
    /// # Errors
    /// What is wrong with it, with the cure.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = vec![Vec::new()];
        let mut bytes = text.bytes().peekable();
        while let Some(byte) = bytes.next() {
            let literal = match byte {
                b'*' if bytes.peek() == Some(&b'*') => {
                    return Err("two stars in a row: one star stands for any run of characters".to_owned());
                }
                b'*' => {
                    parts.push(Vec::new());
                    continue;
                }
                b'\\' => match bytes.next() {
                    Some(escaped @ (b'*' | b'\\')) => escaped,
                    _ => {
                        return Err(
                            r"a backslash stands only before `*` or `\`: write `\\` for a backslash"
                                .to_owned(),
                        );
                    }
                },
                _ => byte,
            };
            if let Some(part) = parts.last_mut() {
                part.push(literal);
            }
        }
        if parts.len() > MAX_STARS + 1 {
            let stars = parts.len() - 1;
            return Err(format!(
                "has {stars} stars: at most {MAX_STARS} are taken in one value"
            ));
        }
        let mut parts = parts.into_iter();
        let start = parts.next().unwrap_or_default();
        let end = parts.next_back();
        let middle = parts.map(Part::new).collect();
        Ok(Self { start, middle, end })
    }

    pub(super) fn matches(&self, text: Text<'_>) -> bool {
        match text {
            Text::Plain(raw) => self.matches_bytes(raw.iter().copied()),
            Text::Escaped(raw) => self.matches_bytes(Unescaped::new(raw)),
        }
    }

    fn matches_bytes(&self, mut bytes: impl Iterator<Item = u8> + Clone) -> bool {
        if !self.start.iter().all(|&expected| bytes.next() == Some(expected)) {
            return false;
        }
        let Some(end) = &self.end else {
            return bytes.next().is_none();
        };
        self.middle.iter().all(|part| part.skip_past(&mut bytes)) && ends_with(bytes, end)
    }
}

/// What is looked for, the first time that it comes (Knuth, Morris and Pratt).
#[derive(Clone, Debug)]
struct Part {
    bytes: Vec<u8>,
    /// For each number of bytes that fit: the length of their longest end that is also their start.
    fallback: Vec<usize>,
}

impl Part {
    fn new(bytes: Vec<u8>) -> Self {
        let mut fallback = vec![0; bytes.len()];
        let mut fits = 0;
        for at in 1..bytes.len() {
            while fits > 0 && bytes[at] != bytes[fits] {
                fits = fallback[fits - 1];
            }
            fits += usize::from(bytes[at] == bytes[fits]);
            fallback[at] = fits;
        }
        Self { bytes, fallback }
    }

    /// Whether this is in `bytes`, which are then moved behind it.
    fn skip_past(&self, bytes: &mut impl Iterator<Item = u8>) -> bool {
        let mut fits = 0;
        while fits < self.bytes.len() {
            let Some(byte) = bytes.next() else {
                return false;
            };
            while fits > 0 && byte != self.bytes[fits] {
                fits = self.fallback[fits - 1];
            }
            fits += usize::from(byte == self.bytes[fits]);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Wildcard::parse(pattern)
            .unwrap()
            .matches(Text::Plain(text.as_bytes()))
    }

    #[test]
    fn stars_stand_for_any_run() {
        for (pattern, text) in [
            ("*", ""),
            ("*", "x"),
            ("a*", "a"),
            ("*a", "a"),
            ("a*b", "ab"),
            ("a*b", "aXbXb"),
            ("*a*b*", "xaxbx"),
            (r"a\*b", "a*b"),
            (r"\\*", r"\x"),
            ("", ""),
            ("*ab*ab", "abab"),
            ("*aab*", "aaab"),
            ("é*", "éa"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("a*", "b"),
            ("*a", "ab"),
            ("a*b", "a"),
            ("ab*ba", "aba"),
            (r"a\*b", "aXb"),
            ("", "x"),
            ("a", "ab"),
            ("*ab*ab", "ab"),
            ("*a*b*", "ba"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_no_wildcard_is_refused() {
        for bad in ["**", "a**b", r"a\b", r"a\", "\\"] {
            assert!(Wildcard::parse(bad).is_err(), "{bad}");
        }
        assert!(Wildcard::parse(&"*a".repeat(16)).is_ok());
        assert!(Wildcard::parse(&"*a".repeat(17)).is_err());
        assert!(Wildcard::parse(r"*\**").is_ok());
    }

    proptest! {
        #[test]
        fn it_says_what_trying_everything_says(pattern in "([ab]|a\\*|b\\*|\\*a){0,6}", text in "[ab]{0,12}") {
            fn tried(pattern: &[u8], text: &[u8]) -> bool {
                match pattern {
                    [] => text.is_empty(),
                    [b'*', rest @ ..] => (0..=text.len()).any(|skipped| tried(rest, &text[skipped..])),
                    [first, rest @ ..] => text.first() == Some(first) && tried(rest, &text[1..]),
                }
            }
            if let Ok(wildcard) = Wildcard::parse(&pattern) {
                let expected = tried(pattern.as_bytes(), text.as_bytes());
                prop_assert_eq!(wildcard.matches(Text::Plain(text.as_bytes())), expected);
                let escaped: String = text.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
                prop_assert_eq!(wildcard.matches(Text::Escaped(escaped.as_bytes())), expected);
            }
        }
    }
}
