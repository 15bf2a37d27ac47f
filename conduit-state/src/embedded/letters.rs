//! Dead letters, and which keys they poison.

use std::collections::BTreeSet;

use bytes::Bytes;
use redb::{ReadTransaction, ReadableTable};

use conduit_core::{
    ClusterTime, Commit, LetterSelection, PoisonedKey, RecordKey, Sequence, StateError, StoredLetter,
    SubscriptionId,
};

use super::error::Failure;
use super::tables::{DEAD, DEAD_INDEX, Tables, after, names, read_table};
use crate::cures::Cures;
use crate::encoding::{LetterEntry, dead_letter_tail, stale_letter};

impl Tables<'_> {
    /// Whether all letters that a commit takes back are there and its subscription's.
    pub(super) fn has_what_is_redriven(&self, commit: &Commit) -> Result<bool, Failure> {
        let (collection, destination) = names(&commit.subscription);
        for id in &commit.redriven {
            let letter = self.dead.get((collection, *id))?;
            if letter.is_none_or(|letter| letter.value().0 != destination) {
                return Ok(false);
            }
            // Read here, where the commit can still be refused alone.
            self.entry(collection, *id)?;
        }
        Ok(true)
    }

    /// Adds what a commit gives up, makes stale what it cures, and drops what it takes back.
    pub(super) fn change_dead_letters(&mut self, commit: &Commit) -> Result<(), Failure> {
        let cures = Cures::of(commit);
        self.add_dead_letters(commit, &cures)?;
        for (key, place) in cures.iter() {
            self.cure(&commit.subscription, key, place)?;
        }
        for id in &commit.redriven {
            self.remove_letter(commit.subscription.collection.as_str(), *id)?;
        }
        Ok(())
    }

    /// The keys of a subscription with letters that are not stale.
    pub(super) fn poisoned(&self, subscription: &SubscriptionId) -> Result<Vec<PoisonedKey>, Failure> {
        let (collection, destination) = names(subscription);
        let end = after(destination);
        let mut keys: Vec<PoisonedKey> = Vec::new();
        for found in self
            .poisoning
            .range((collection, destination, "", 0)..(collection, end.as_str(), "", 0))?
        {
            let (entry, place) = found?;
            let key: RecordKey = entry
                .value()
                .2
                .parse()
                .map_err(|_| StateError::corrupt("a poisoned key in the state file cannot be read"))?;
            let (t, i, _) = place.value();
            let newest = ClusterTime::new(t, i);
            match keys.last_mut().filter(|last| last.key == key) {
                Some(last) => {
                    last.letters += 1;
                    last.newest = last.newest.max(newest);
                }
                None => keys.push(PoisonedKey {
                    key,
                    letters: 1,
                    newest,
                }),
            }
        }
        Ok(keys)
    }

    /// How many letters a subscription has, and its collection.
    pub(super) fn dead_counts(&self, subscription: &SubscriptionId) -> Result<(u64, u64), Failure> {
        let (collection, destination) = names(subscription);
        let own = self.dead_count.get((collection, destination))?;
        let end = after(collection);
        let mut total = 0;
        for found in self.dead_count.range((collection, "")..(end.as_str(), ""))? {
            total += found?.1.value();
        }
        Ok((own.map_or(0, |count| count.value()), total))
    }

    /// Drops at most `most` letters of a selection after the one named: how many, and the last one looked at if there
    /// may be more.
    pub(super) fn purge_dead_letters(
        &mut self,
        collection: &str,
        selection: &LetterSelection,
        after: Option<u64>,
        most: usize,
    ) -> Result<(u64, Option<u64>), Failure> {
        let ids = selected(&self.dead, collection, selection, after, most)?;
        for id in &ids {
            self.remove_letter(collection, *id)?;
        }
        let next = ids.last().copied().filter(|_| ids.len() == most);
        Ok((u64::try_from(ids.len()).unwrap_or(u64::MAX), next))
    }

    fn add_dead_letters(&mut self, commit: &Commit, cures: &Cures<'_>) -> Result<(), Failure> {
        if commit.dead.is_empty() {
            return Ok(());
        }
        let subscription = &commit.subscription;
        let (collection, destination) = names(subscription);
        let mut id = self.last_dead.get(collection)?.map_or(0, |last| last.value());
        for letter in &commit.dead {
            id += 1;
            let letter = cures.settle(letter);
            let mut json = format!("{{\"id\":{id},").into_bytes();
            json.extend_from_slice(&dead_letter_tail(&subscription.destination, &letter));
            self.dead
                .insert((collection, id), (destination, json.as_slice()))?;
            let entry = LetterEntry::of(&subscription.destination, &letter);
            self.dead_index
                .insert((collection, id), entry.text().as_bytes())?;
            if !letter.stale {
                let (key, time) = (entry.key.to_string(), entry.time);
                self.poisoning.insert(
                    (collection, destination, key.as_str(), id),
                    (time.t, time.i, entry.sequence.as_str()),
                )?;
            }
        }
        self.last_dead.insert(collection, id)?;
        let count = self
            .dead_count
            .get((collection, destination))?
            .map_or(0, |count| count.value());
        let added = u64::try_from(commit.dead.len()).unwrap_or(u64::MAX);
        self.dead_count
            .insert((collection, destination), count.saturating_add(added))?;
        Ok(())
    }

    fn cure(
        &mut self,
        subscription: &SubscriptionId,
        key: RecordKey,
        place: &Sequence,
    ) -> Result<(), Failure> {
        let (collection, destination) = names(subscription);
        let key = key.to_string();
        let key = key.as_str();
        let of_key = (collection, destination, key, 0)..=(collection, destination, key, u64::MAX);
        let mut cured = Vec::new();
        self.poisoning.retain_in(of_key, |(.., id), (_, _, sequence)| {
            let is_cured = sequence < place.as_str();
            if is_cured {
                cured.push(id);
            }
            !is_cured
        })?;
        for id in cured {
            let stale = self
                .dead
                .get((collection, id))?
                .map(|letter| stale_letter(letter.value().1));
            if let Some(stale) = stale {
                self.dead
                    .insert((collection, id), (destination, stale.as_slice()))?;
            }
        }
        Ok(())
    }

    fn remove_letter(&mut self, collection: &str, id: u64) -> Result<(), Failure> {
        let destination = match self.dead.remove((collection, id))? {
            Some(letter) => letter.value().0.to_owned(),
            None => return Ok(()),
        };
        let names = (collection, destination.as_str());
        if let Some(entry) = self.entry(collection, id)? {
            let key = entry.key.to_string();
            self.poisoning.remove((names.0, names.1, key.as_str(), id))?;
            self.dead_index.remove((collection, id))?;
        }
        let left = self
            .dead_count
            .get(names)?
            .map_or(0, |count| count.value().saturating_sub(1));
        if left == 0 {
            self.dead_count.remove(names)?;
        } else {
            self.dead_count.insert(names, left)?;
        }
        Ok(())
    }

    fn entry(&self, collection: &str, id: u64) -> Result<Option<LetterEntry>, Failure> {
        let entry = self.dead_index.get((collection, id))?;
        Ok(entry.map(|entry| LetterEntry::read(entry.value())).transpose()?)
    }
}

/// At most `limit` dead letters of a collection after the one named, as JSON.
pub(super) fn dead_letters(
    transaction: &ReadTransaction,
    collection: &str,
    after: Option<u64>,
    limit: usize,
) -> Result<Vec<String>, Failure> {
    let Some(first) = after.map_or(Some(0), |after| after.checked_add(1)) else {
        return Ok(Vec::new());
    };
    let mut letters = Vec::new();
    for found in read_table(transaction, DEAD)?
        .range((collection, first)..=(collection, u64::MAX))?
        .take(limit)
    {
        let (_, letter) = found?;
        letters.push(String::from_utf8_lossy(letter.value().1).into_owned());
    }
    Ok(letters)
}

/// At most `limit` letters of a selection after the one named.
pub(super) fn letters(
    transaction: &ReadTransaction,
    collection: &str,
    selection: &LetterSelection,
    after: Option<u64>,
    limit: usize,
) -> Result<Vec<StoredLetter>, Failure> {
    let (dead, index) = (
        read_table(transaction, DEAD)?,
        read_table(transaction, DEAD_INDEX)?,
    );
    let mut letters = Vec::new();
    for id in selected(&dead, collection, selection, after, limit)? {
        let missing = || StateError::corrupt("a dead letter has no entry in the state file");
        let entry = index.get((collection, id))?.ok_or_else(missing)?;
        let json = dead.get((collection, id))?.ok_or_else(missing)?;
        let json = Bytes::copy_from_slice(json.value().1);
        letters.push(LetterEntry::read(entry.value())?.letter(json)?);
    }
    Ok(letters)
}

/// The ids of at most `limit` letters of a selection after the one named, growing.
fn selected(
    dead: &impl ReadableTable<(&'static str, u64), (&'static str, &'static [u8])>,
    collection: &str,
    selection: &LetterSelection,
    after: Option<u64>,
    limit: usize,
) -> Result<Vec<u64>, Failure> {
    let Some(first) = after.map_or(Some(0), |after| after.checked_add(1)) else {
        return Ok(Vec::new());
    };
    let fits = |of: &str| {
        let wanted = selection.destination.as_ref();
        wanted.is_none_or(|wanted| wanted.as_str() == of)
    };
    let mut found = Vec::new();
    if let Some(ids) = &selection.ids {
        let ids: BTreeSet<u64> = ids.iter().copied().filter(|id| *id >= first).collect();
        for id in ids {
            if found.len() == limit {
                break;
            }
            if let Some(letter) = dead.get((collection, id))?
                && fits(letter.value().0)
            {
                found.push(id);
            }
        }
        return Ok(found);
    }
    for letter in dead.range((collection, first)..=(collection, u64::MAX))? {
        if found.len() == limit {
            break;
        }
        let (key, letter) = letter?;
        if fits(letter.value().0) {
            found.push(key.value().1);
        }
    }
    Ok(found)
}
