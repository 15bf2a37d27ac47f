//! The dead letters of one collection.

use std::collections::{BTreeMap, BTreeSet};

use conduit_core::{
    Commit, DeadLetter, DestinationId, LetterSelection, PoisonedKey, RecordKey, Sequence, StoredLetter,
};

use crate::cures::Cures;
use crate::encoding::dead_letter_tail;

/// Dead letters by growing id, and which keys they poison.
#[derive(Clone, Debug, Default)]
pub(super) struct DeadLetters {
    letters: BTreeMap<u64, (DestinationId, DeadLetter)>,
    last: u64,
    /// The letters that are not stale.
    poisoning: BTreeSet<(DestinationId, RecordKey, u64)>,
}

impl DeadLetters {
    /// How many there are of all destinations.
    pub(super) fn total(&self) -> u64 {
        length(self.letters.len())
    }

    /// How many there are of a destination.
    pub(super) fn count(&self, destination: &DestinationId) -> u64 {
        length(self.letters.values().filter(|(of, _)| of == destination).count())
    }

    /// The keys of a destination with letters that are not stale.
    pub(super) fn poisoned(&self, destination: &DestinationId) -> Vec<PoisonedKey> {
        let first = (destination.clone(), RecordKey::from_u128(0), 0);
        let mut keys: Vec<PoisonedKey> = Vec::new();
        for (_, key, id) in self
            .poisoning
            .range(first..)
            .take_while(|(of, ..)| of == destination)
        {
            let time = self.letters[id].1.record.time();
            match keys.last_mut().filter(|last| last.key == *key) {
                Some(last) => {
                    last.letters += 1;
                    last.newest = last.newest.max(time);
                }
                None => keys.push(PoisonedKey {
                    key: *key,
                    letters: 1,
                    newest: time,
                }),
            }
        }
        keys
    }

    /// Whether all letters that a commit takes back are there and its subscription's.
    pub(super) fn has_what_is_redriven(&self, commit: &Commit) -> bool {
        let destination = &commit.subscription.destination;
        let is_there = |id| self.letters.get(id).is_some_and(|(of, _)| of == destination);
        commit.redriven.iter().all(is_there)
    }

    /// Adds what a commit gives up, makes stale what it cures, and drops what it takes back.
    pub(super) fn apply(&mut self, commit: &Commit) {
        let destination = &commit.subscription.destination;
        let cures = Cures::of(commit);
        for letter in &commit.dead {
            self.last += 1;
            let letter = cures.settle(letter).into_owned();
            if !letter.stale {
                self.poisoning
                    .insert((destination.clone(), letter.record.key(), self.last));
            }
            self.letters.insert(self.last, (destination.clone(), letter));
        }
        for (key, place) in cures.iter() {
            self.cure(destination, key, place);
        }
        for id in &commit.redriven {
            self.remove(*id);
        }
    }

    /// At most `limit` letters after the one named, as JSON.
    pub(super) fn page(&self, after: Option<u64>, limit: usize) -> Vec<String> {
        let text = |(id, (destination, letter)): (&u64, &(DestinationId, DeadLetter))| {
            let tail = dead_letter_tail(destination, letter);
            format!("{{\"id\":{id},{}", String::from_utf8_lossy(&tail))
        };
        let first = after.map_or(Some(0), |after| after.checked_add(1));
        first.map_or_else(Vec::new, |first| {
            self.letters.range(first..).take(limit).map(text).collect()
        })
    }

    /// At most `limit` letters of a selection after the one named.
    pub(super) fn select(
        &self,
        selection: &LetterSelection,
        after: Option<u64>,
        limit: usize,
    ) -> Vec<StoredLetter> {
        self.ids(selection)
            .into_iter()
            .filter(|id| after.is_none_or(|after| *id > after))
            .take(limit)
            .map(|id| {
                let (destination, letter) = &self.letters[&id];
                StoredLetter {
                    id,
                    destination: destination.clone(),
                    record: letter.record.clone(),
                    stale: letter.stale,
                }
            })
            .collect()
    }

    /// Drops a selection; returns how many there were.
    pub(super) fn purge(&mut self, selection: &LetterSelection) -> u64 {
        let ids = self.ids(selection);
        ids.iter().for_each(|id| self.remove(*id));
        length(ids.len())
    }

    fn cure(&mut self, destination: &DestinationId, key: RecordKey, place: &Sequence) {
        let of_key = (destination.clone(), key, 0)..=(destination.clone(), key, u64::MAX);
        let cured: Vec<_> = self
            .poisoning
            .range(of_key)
            .filter(|(.., id)| self.letters[id].1.record.sequence() < place)
            .cloned()
            .collect();
        for entry in cured {
            if let Some((_, letter)) = self.letters.get_mut(&entry.2) {
                letter.stale = true;
            }
            self.poisoning.remove(&entry);
        }
    }

    fn remove(&mut self, id: u64) {
        if let Some((destination, letter)) = self.letters.remove(&id) {
            self.poisoning.remove(&(destination, letter.record.key(), id));
        }
    }

    /// The ids of a selection that are there, growing.
    fn ids(&self, selection: &LetterSelection) -> Vec<u64> {
        let fits = |id: &u64| {
            let wanted = selection.destination.as_ref();
            self.letters
                .get(id)
                .is_some_and(|(of, _)| wanted.is_none_or(|wanted| wanted == of))
        };
        match &selection.ids {
            Some(ids) => {
                let ids: BTreeSet<u64> = ids.iter().copied().filter(fits).collect();
                ids.into_iter().collect()
            }
            None => self.letters.keys().copied().filter(fits).collect(),
        }
    }
}

fn length(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
