//! Waiting records and dead letters.

use std::collections::BTreeSet;

use bytes::Bytes;
use redb::{ReadTransaction, ReadableTable};

use conduit_core::{Commit, DeadLetter, QueueLengths, RetryId, SubscriptionId, WaitingRecord};

use super::error::Failure;
use super::tables::{CONTENTS, DEAD, DEAD_COUNT, Tables, WAITING, names, read_table};
use crate::encoding::{Waiting, dead_letter_index, dead_letter_tail};

impl Tables<'_> {
    /// Whether all that a commit reschedules waits already, or begins to in the same commit.
    pub(super) fn knows_what_is_rescheduled(&self, commit: &Commit) -> Result<bool, Failure> {
        let (collection, destination) = names(&commit.subscription);
        let mut added = BTreeSet::new();
        for parked in &commit.parked {
            if parked.record.is_some() {
                added.insert(parked.id);
            } else if !added.contains(&parked.id)
                && self
                    .waiting
                    .get((collection, destination, parked.id.0))?
                    .is_none()
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Lets records begin to wait, wait on, and leave.
    pub(super) fn change_queue(&mut self, commit: &Commit) -> Result<(), Failure> {
        let (collection, destination) = names(&commit.subscription);
        for parked in &commit.parked {
            let key = (collection, destination, parked.id.0);
            let entry = match &parked.record {
                Some(record) => {
                    self.contents.insert(key, &**record.json())?;
                    Waiting::entry(parked, record).into_bytes()
                }
                None => match self.waiting.get(key)? {
                    Some(known) => Waiting::first_line(known.value()).to_vec(),
                    None => continue,
                },
            };
            let lines = [entry.as_slice(), b"\n", Waiting::tries(parked).as_bytes()].concat();
            self.waiting.insert(key, lines.as_slice())?;
        }
        for id in &commit.unparked {
            self.waiting.remove((collection, destination, id.0))?;
            self.contents.remove((collection, destination, id.0))?;
        }
        Ok(())
    }

    /// Adds dead letters with the next ids.
    pub(super) fn add_dead_letters(
        &mut self,
        subscription: &SubscriptionId,
        letters: &[DeadLetter],
    ) -> Result<(), Failure> {
        if letters.is_empty() {
            return Ok(());
        }
        let (collection, destination) = names(subscription);
        let mut id = self.last_dead.get(collection)?.map_or(0, |last| last.value());
        for letter in letters {
            id += 1;
            let mut json = format!("{{\"id\":{id},").into_bytes();
            json.extend_from_slice(&dead_letter_tail(&subscription.destination, letter));
            self.dead
                .insert((collection, id), (destination, json.as_slice()))?;
            let index = dead_letter_index(&subscription.destination, letter);
            self.dead_index.insert((collection, id), index.as_bytes())?;
        }
        self.last_dead.insert(collection, id)?;
        let count = self
            .dead_count
            .get((collection, destination))?
            .map_or(0, |count| count.value());
        let added = u64::try_from(letters.len()).unwrap_or(u64::MAX);
        self.dead_count
            .insert((collection, destination), count.saturating_add(added))?;
        Ok(())
    }

    /// Drops the dead letters of a subscription; returns how many there were.
    pub(super) fn purge_dead_letters(&mut self, subscription: &SubscriptionId) -> Result<u64, Failure> {
        let (collection, destination) = names(subscription);
        let mut dropped = Vec::new();
        self.dead
            .retain_in((collection, 0)..=(collection, u64::MAX), |(_, id), (of, _)| {
                let is_kept = of != destination;
                if !is_kept {
                    dropped.push(id);
                }
                is_kept
            })?;
        for id in &dropped {
            self.dead_index.remove((collection, *id))?;
        }
        self.dead_count.remove((collection, destination))?;
        Ok(u64::try_from(dropped.len()).unwrap_or(u64::MAX))
    }
}

/// Waiting records with their contents.
pub(super) fn waiting(
    transaction: &ReadTransaction,
    subscription: &SubscriptionId,
    ids: &[RetryId],
) -> Result<Vec<Option<WaitingRecord>>, Failure> {
    let (collection, destination) = names(subscription);
    let (entries, contents) = (
        read_table(transaction, WAITING)?,
        read_table(transaction, CONTENTS)?,
    );
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let key = (collection, destination, id.0);
        found.push(match (entries.get(key)?, contents.get(key)?) {
            (Some(entry), Some(json)) => {
                let json = Bytes::copy_from_slice(json.value());
                Some(Waiting::read(entry.value())?.with_contents(*id, json)?)
            }
            _ => None,
        });
    }
    Ok(found)
}

/// At most `limit` dead letters of a collection after the one named.
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

/// How much of each subscription is undelivered.
pub(super) fn lengths(
    transaction: &ReadTransaction,
    subscriptions: &[SubscriptionId],
) -> Result<Vec<QueueLengths>, Failure> {
    let (waiting, dead) = (
        read_table(transaction, WAITING)?,
        read_table(transaction, DEAD_COUNT)?,
    );
    let mut lengths = Vec::with_capacity(subscriptions.len());
    for subscription in subscriptions {
        let (collection, destination) = names(subscription);
        let count = waiting
            .range((collection, destination, 0)..=(collection, destination, u64::MAX))?
            .count();
        lengths.push(QueueLengths {
            waiting: u64::try_from(count).unwrap_or(u64::MAX),
            dead: dead
                .get((collection, destination))?
                .map_or(0, |count| count.value()),
        });
    }
    Ok(lengths)
}
