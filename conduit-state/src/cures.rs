//! Which dead letters a commit makes stale.

use std::borrow::Cow;
use std::collections::BTreeMap;

use conduit_core::{Commit, DeadLetter, RecordKey, Sequence};

/// The cured keys of a commit, each with the place up to which its dead letters are stale.
#[derive(Debug, Default)]
pub(crate) struct Cures<'a>(BTreeMap<RecordKey, &'a Sequence>);

impl<'a> Cures<'a> {
    /// The cures of a commit; of several of one key the furthest counts.
    pub(crate) fn of(commit: &'a Commit) -> Self {
        let mut furthest = BTreeMap::new();
        for cured in &commit.cured {
            let place = furthest.entry(cured.key).or_insert(&cured.sequence);
            *place = (*place).max(&cured.sequence);
        }
        Self(furthest)
    }

    /// The keys with their places.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (RecordKey, &'a Sequence)> {
        self.0.iter().map(|(key, place)| (*key, *place))
    }

    /// A dead letter of the same commit as it is stored: the cures come after it.
    pub(crate) fn settle<'l>(&self, letter: &'l DeadLetter) -> Cow<'l, DeadLetter> {
        let record = &letter.record;
        let is_cured = self
            .0
            .get(&record.key())
            .is_some_and(|place| record.sequence() < *place);
        if is_cured && !letter.stale {
            Cow::Owned(DeadLetter {
                stale: true,
                ..letter.clone()
            })
        } else {
            Cow::Borrowed(letter)
        }
    }
}
