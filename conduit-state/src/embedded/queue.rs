//! Waiting records, and how many wait and are dead.

use std::collections::BTreeSet;

use bytes::Bytes;
use redb::{ReadTransaction, ReadableTable};

use conduit_core::{ClusterTime, Commit, QueueLengths, RetryId, SubscriptionId, WaitingRecord};

use super::error::Failure;
use super::tables::{CONTENTS, DEAD_COUNT, Tables, WAITING, names, read_table};
use crate::encoding::Waiting;

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

    /// Drops the waiting records of changes at or after `to`.
    pub(super) fn drop_waiting_from(
        &mut self,
        subscription: &SubscriptionId,
        to: ClusterTime,
    ) -> Result<(), Failure> {
        let (collection, destination) = names(subscription);
        let mut dropped = Vec::new();
        for found in self
            .waiting
            .range((collection, destination, 0)..=(collection, destination, u64::MAX))?
        {
            let (key, entry) = found?;
            let id = RetryId(key.value().2);
            if Waiting::read(entry.value())?.time() >= to {
                dropped.push(id.0);
            }
        }
        for id in dropped {
            self.waiting.remove((collection, destination, id))?;
            self.contents.remove((collection, destination, id))?;
        }
        Ok(())
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
