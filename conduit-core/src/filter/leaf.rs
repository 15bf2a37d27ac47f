//! What a pattern says of one field: a list of matchers of which one has to match.

use super::matcher::{Matcher, Scalar};
use super::text::Text;

/// So many strings are sooner compared than searched.
const FEW: usize = 8;

/// The matchers of one field.
#[derive(Clone, Debug, Default)]
pub(super) struct Leaf {
    /// The strings that match as they are, sorted.
    strings: Vec<Box<str>>,
    matchers: Vec<Matcher>,
    takes_absence: bool,
    compares_numbers: bool,
}

impl Leaf {
    pub(super) fn add_string(&mut self, text: String) {
        if let Err(at) = self.strings.binary_search_by(|known| (**known).cmp(&text)) {
            self.strings.insert(at, text.into());
        }
    }

    pub(super) fn add(&mut self, matcher: Matcher) {
        self.compares_numbers |= matcher.compares_numbers();
        self.matchers.push(matcher);
    }

    pub(super) fn add_absence(&mut self) {
        self.takes_absence = true;
    }

    /// Whether the leaf is content with no value at its path.
    pub(super) fn takes_absence(&self) -> bool {
        self.takes_absence
    }

    /// Whether there are values that the leaf is content with.
    pub(super) fn takes_values(&self) -> bool {
        !(self.strings.is_empty() && self.matchers.is_empty())
    }

    pub(super) fn compares_numbers(&self) -> bool {
        self.compares_numbers
    }

    /// Whether one of the matchers matches the value.
    #[inline]
    pub(super) fn matches(&self, value: Scalar<'_>) -> bool {
        if let Scalar::Text(text) = value
            && self.has_string(text)
        {
            return true;
        }
        self.matchers.iter().any(|matcher| matcher.matches(value))
    }

    #[inline]
    fn has_string(&self, text: Text<'_>) -> bool {
        match (text, self.strings.as_slice()) {
            (_, []) => false,
            (Text::Plain(raw), few) if few.len() <= FEW => few.iter().any(|known| known.as_bytes() == raw),
            (Text::Plain(raw), all) => all.binary_search_by(|known| known.as_bytes().cmp(raw)).is_ok(),
            (Text::Escaped(_), all) => all.iter().any(|known| text.is(known.as_bytes())),
        }
    }
}
