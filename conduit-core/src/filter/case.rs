//! Strings compared without regard to upper and lower case.

use super::text::{Text, Unescaped};

/// The bytes of one character.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Form {
    bytes: [u8; 4],
    length: u8,
}

impl Form {
    fn of(character: char) -> Self {
        let mut bytes = [0; 4];
        let length = character.encode_utf8(&mut bytes).len();
        Self {
            bytes,
            length: u8::try_from(length).unwrap_or(4),
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&self.bytes)
    }
}

/// A string of which each character stands for its upper and its lower case too.
///
/// Only cases of one character count: `ß` is not `SS`. Nor is a character the lower case of another that is not its upper
/// case in turn: the Kelvin sign is no `k`.
#[derive(Clone, Debug)]
pub(super) struct AnyCase(Box<[Vec<Form>]>);

impl AnyCase {
    pub(super) fn new(text: &str) -> Self {
        Self(text.chars().map(forms).collect())
    }

    /// Whether `bytes` are this string.
    fn is(&self, bytes: impl Iterator<Item = u8> + Clone) -> bool {
        self.after(bytes).is_some_and(|mut rest| rest.next().is_none())
    }

    /// Whether `bytes` begin with this string.
    fn is_start_of(&self, bytes: impl Iterator<Item = u8> + Clone) -> bool {
        self.after(bytes).is_some()
    }

    /// Whether `bytes` end with this string.
    fn is_end_of(&self, mut bytes: impl Iterator<Item = u8> + Clone) -> bool {
        let characters = bytes.clone().filter(|&byte| begins_character(byte)).count();
        let Some(mut before) = characters.checked_sub(self.0.len()) else {
            return false;
        };
        loop {
            let rest = bytes.clone();
            match bytes.next() {
                Some(byte) if begins_character(byte) => {
                    if before == 0 {
                        return self.is(rest);
                    }
                    before -= 1;
                }
                Some(_) => {}
                None => return self.is(rest),
            }
        }
    }

    /// What comes after this string, at the start of `bytes`.
    fn after<I: Iterator<Item = u8> + Clone>(&self, mut bytes: I) -> Option<I> {
        for forms in &self.0 {
            bytes = forms.iter().find_map(|form| {
                let mut rest = bytes.clone();
                let is_next = form.bytes().iter().all(|&byte| rest.next() == Some(byte));
                is_next.then_some(rest)
            })?;
        }
        Some(bytes)
    }
}

fn begins_character(byte: u8) -> bool {
    byte & 0xC0 != 0x80
}

fn forms(character: char) -> Vec<Form> {
    let mut forms = vec![Form::of(character)];
    let lower = only(character.to_lowercase()).filter(|lower| only(lower.to_uppercase()) == Some(character));
    for other in [lower, only(character.to_uppercase())].into_iter().flatten() {
        if other != character {
            forms.push(Form::of(other));
        }
    }
    forms
}

fn only(mut characters: impl Iterator<Item = char>) -> Option<char> {
    let first = characters.next()?;
    characters.next().is_none().then_some(first)
}

/// How a string is compared without regard to case.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Whole,
    Start,
    End,
}

impl AnyCase {
    /// Whether `text` is this string, or begins or ends with it.
    pub(super) fn matches(&self, side: Side, text: Text<'_>) -> bool {
        match (side, text) {
            (Side::Whole, Text::Plain(raw)) => self.is(raw.iter().copied()),
            (Side::Whole, Text::Escaped(raw)) => self.is(Unescaped::new(raw)),
            (Side::Start, Text::Plain(raw)) => self.is_start_of(raw.iter().copied()),
            (Side::Start, Text::Escaped(raw)) => self.is_start_of(Unescaped::new(raw)),
            (Side::End, Text::Plain(raw)) => self.is_end_of(raw.iter().copied()),
            (Side::End, Text::Escaped(raw)) => self.is_end_of(Unescaped::new(raw)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(pattern: &str, text: &str) -> bool {
        AnyCase::new(pattern).is(text.bytes())
    }

    #[test]
    fn only_cases_of_one_character_are_alike() {
        assert!(is("École", "éCOLE") && is("éCOLE", "École") && is("ς", "Σ") && !is("Σ", "ς"));
        assert!(is("ⱥ", "Ⱥ") && is("Ⱥ", "ⱥ") && is("😀", "😀") && is("", ""));
        for (one, other) in [
            ("straße", "STRASSE"),
            ("k", "\u{212A}"),
            ("e\u{301}", "é"),
            ("a", "ab"),
            ("ab", "a"),
        ] {
            assert!(!is(one, other) && !is(other, one), "{one} {other}");
        }
        assert!(is("\u{212A}", "\u{212A}"));
    }

    #[test]
    fn starts_and_ends_count_characters_not_bytes() {
        let start = AnyCase::new("Ⱥb");
        assert!(start.is_start_of("ⱥBc".bytes()) && !start.is_start_of("xⱥB".bytes()));
        let end = AnyCase::new("bȺ");
        assert!(end.is_end_of("xBⱥ".bytes()) && end.is_end_of("Bⱥ".bytes()));
        assert!(!end.is_end_of("ⱥ".bytes()) && !end.is_end_of("Bⱥx".bytes()));
        assert!(AnyCase::new("").is_end_of("".bytes()) && AnyCase::new("").is_end_of("x".bytes()));
        // Bytes that are no text are no match, and no harm.
        assert!(!end.is_end_of([0x80, 0xFF, b'b', 0xC8].into_iter()));
    }
}
