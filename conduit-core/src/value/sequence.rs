//! Where a record stands among all changes of its source.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A record's place in the order of changes; sorts as text.
///
/// It is the change's resume token, and where one change makes two records (a change of the key fields), that
/// token with `-0` and `-1`: both sort after every token before it and before every token after it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequence(Arc<str>);

impl Sequence {
    /// The place of the only record of a change.
    #[must_use]
    pub fn whole(token: &str) -> Self {
        Self(token.into())
    }

    /// The places of the two records of a change that is delivered as two.
    #[must_use]
    pub fn pair(token: &str) -> (Self, Self) {
        (
            Self(format!("{token}-0").into()),
            Self(format!("{token}-1").into()),
        )
    }

    /// Reads a place back from its text.
    #[must_use]
    pub fn from_text(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the resume token of the change.
    #[must_use]
    pub fn token(&self) -> &str {
        self.0
            .strip_suffix("-0")
            .or_else(|| self.0.strip_suffix("-1"))
            .unwrap_or(&self.0)
    }

    /// Whether this is the last record of its change, so that a position may move to it.
    #[must_use]
    pub fn is_last_of_change(&self) -> bool {
        !self.0.ends_with("-0")
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_records_of_a_change_sort_between_its_neighbours() {
        let before = Sequence::whole("826B0304");
        let (first, second) = Sequence::pair("826B0404");
        let after = Sequence::whole("826B0504");
        assert!(before < first && first < second && second < after);
        assert_eq!(first.token(), "826B0404");
        assert!(!first.is_last_of_change() && second.is_last_of_change() && before.is_last_of_change());
    }
}
