//! One operator, and the values it is asked about.

use super::address::{Address, Block, MAX_BYTES};
use super::case::{AnyCase, Side};
use super::leaf::Leaf;
use super::number::NumberRange;
use super::text::Text;
use super::wildcard::Wildcard;

/// A value of a document that is no object and no array.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scalar<'a> {
    Text(Text<'a>),
    /// As it stands, and its value, if it is comparable and a pattern asks for values.
    Number(&'a [u8], Option<f64>),
    True,
    False,
    Null,
}

/// What a value can be compared with. `exists: false` is not here: it is no matter of a value.
#[derive(Clone, Debug)]
pub(super) enum Matcher {
    True,
    False,
    Null,
    /// Matches whatever there is.
    Present,
    /// The same number, as a number.
    Number(f64),
    /// The same number, as text: for one that is not comparable.
    NumberText(Box<str>),
    Range(NumberRange),
    Prefix(Box<str>),
    Suffix(Box<str>),
    AnyCase(Side, AnyCase),
    Wildcard(Wildcard),
    Address(Address),
    Block(Block),
    /// Matches what none of these match.
    AnythingBut(Leaf),
}

impl Matcher {
    pub(super) fn matches(&self, value: Scalar<'_>) -> bool {
        match (self, value) {
            (Self::True, Scalar::True)
            | (Self::False, Scalar::False)
            | (Self::Null, Scalar::Null)
            | (Self::Present, _) => true,
            (Self::AnythingBut(leaf), value) => !leaf.matches(value),
            (Self::Number(expected), Scalar::Number(_, Some(number))) => *expected == number,
            (Self::Range(range), Scalar::Number(_, Some(number))) => range.has(number),
            (Self::NumberText(expected), Scalar::Number(text, _)) => expected.as_bytes() == text,
            (_, Scalar::Text(text)) => self.matches_text(text),
            _ => false,
        }
    }

    fn matches_text(&self, text: Text<'_>) -> bool {
        match self {
            Self::Prefix(prefix) => text.starts_with(prefix.as_bytes()),
            Self::Suffix(suffix) => text.ends_with(suffix.as_bytes()),
            Self::AnyCase(side, pattern) => pattern.matches(*side, text),
            Self::Wildcard(wildcard) => wildcard.matches(text),
            Self::Address(expected) => address_of(text) == Some(*expected),
            Self::Block(block) => address_of(text).is_some_and(|address| block.has(address)),
            _ => false,
        }
    }

    /// Whether it has to know the value of a number.
    pub(super) fn compares_numbers(&self) -> bool {
        match self {
            Self::Number(_) | Self::Range(_) => true,
            Self::AnythingBut(leaf) => leaf.compares_numbers(),
            _ => false,
        }
    }
}

fn address_of(text: Text<'_>) -> Option<Address> {
    match text {
        Text::Plain(raw) => Address::of(raw),
        Text::Escaped(_) => {
            let mut room = [0; MAX_BYTES];
            let length = text.copy_to(&mut room)?;
            Address::of(room.get(..length)?)
        }
    }
}
