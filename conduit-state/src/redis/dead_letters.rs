//! Reading, counting and dropping dead letters.

use std::collections::{BTreeSet, VecDeque};

use redis::{Cmd, Pipeline, Value};

use conduit_core::{
    CollectionName, DestinationId, LetterSelection, QueueLengths, StateError, StoredLetter, SubscriptionId,
};

use super::error::{from_client, unexpected};
use super::keys;
use super::link::Link;
use super::reply::{bytes, list, next, number, text, verdict};
use super::script::{DEAD_LETTERS, PURGE, SELECT, Script};
use crate::encoding::LetterEntry;

/// How many dead letters one script looks at: a few milliseconds of the server's time.
const STRETCH: usize = 500;

/// Dead letters of a collection, oldest first.
pub(super) async fn page(
    link: &Link,
    collection: &CollectionName,
    after: Option<u64>,
    limit: usize,
) -> Result<Vec<String>, StateError> {
    let mut call = DEAD_LETTERS.call();
    let after = after.map_or_else(String::new, |after| after.to_string());
    call.arg(collection.as_str()).arg(after).arg(limit);
    let (_, mut parts) = verdict(link.ask(&call).await?)?;
    list(next(&mut parts)?)?.into_iter().map(text).collect()
}

/// Dead letters of a selection with their records, looked for stretch by stretch.
pub(super) async fn select(
    link: &Link,
    collection: &CollectionName,
    selection: &LetterSelection,
    after: Option<u64>,
    limit: usize,
) -> Result<Vec<StoredLetter>, StateError> {
    let mut found = Vec::new();
    let mut walk = Walk::new(selection, after);
    while found.len() < limit {
        let Some(call) = walk.call(&SELECT, collection, limit - found.len()) else {
            break;
        };
        let (_, mut parts) = verdict(link.ask(&call).await?)?;
        let mut fields = list(next(&mut parts)?)?.into_iter();
        while let Some(letter) = fields.next() {
            let letter = bytes(letter)?.ok_or_else(unexpected)?;
            let entry = bytes(next(&mut fields)?)?.unwrap_or_default();
            found.push(LetterEntry::read(&entry)?.letter(letter.into())?);
        }
        walk.went(next(&mut parts)?)?;
    }
    Ok(found)
}

/// Drops the dead letters of a selection, stretch by stretch, so that no script blocks the server for long.
pub(super) async fn purge(
    link: &Link,
    collection: &CollectionName,
    selection: &LetterSelection,
) -> Result<u64, StateError> {
    let mut dropped = 0;
    let mut walk = Walk::new(selection, None);
    while let Some(call) = walk.call(&PURGE, collection, STRETCH) {
        let (_, mut parts) = verdict(link.ask(&call).await?)?;
        dropped += number(next(&mut parts)?)?;
        walk.went(next(&mut parts)?)?;
    }
    Ok(dropped)
}

/// A walk over the letters of a selection.
struct Walk<'a> {
    destination: &'a str,
    /// The ids that are left, if only some are meant.
    ids: Option<VecDeque<u64>>,
    after: Option<u64>,
    is_over: bool,
}

impl<'a> Walk<'a> {
    fn new(selection: &'a LetterSelection, after: Option<u64>) -> Self {
        let is_after = |id: &u64| after.is_none_or(|after| *id > after);
        let ids = selection.ids.as_ref().map(|ids| {
            let growing: BTreeSet<u64> = ids.iter().copied().filter(is_after).collect();
            growing.into_iter().collect()
        });
        Self {
            destination: selection.destination.as_ref().map_or("", DestinationId::as_str),
            ids,
            after,
            is_over: false,
        }
    }

    /// The call for the next stretch, that finds at most `most` letters.
    fn call(&mut self, script: &Script, collection: &CollectionName, most: usize) -> Option<Cmd> {
        if self.is_over {
            return None;
        }
        let mut call = script.call();
        let after = self.after.map_or_else(String::new, |after| after.to_string());
        call.arg(collection.as_str()).arg(self.destination).arg(after);
        let most = most.min(STRETCH);
        let length = if self.destination.is_empty() {
            most
        } else {
            STRETCH
        };
        call.arg(length).arg(most);
        if let Some(ids) = &mut self.ids {
            let stretch: Vec<u64> = ids.drain(..most.min(ids.len())).collect();
            if stretch.is_empty() {
                return None;
            }
            call.arg(stretch);
        }
        Some(call)
    }

    /// Notes where a stretch ended.
    fn went(&mut self, last: Value) -> Result<(), StateError> {
        let last = text(last)?;
        if self.ids.is_none() {
            self.is_over = last.is_empty();
            self.after = last.parse().ok();
        }
        Ok(())
    }
}

/// How many records of each subscription wait and are dead.
pub(super) async fn lengths(
    link: &Link,
    subscriptions: &[SubscriptionId],
) -> Result<Vec<QueueLengths>, StateError> {
    if subscriptions.is_empty() {
        return Ok(Vec::new());
    }
    let mut trip = Pipeline::new();
    for subscription in subscriptions {
        let (counts, field) = keys::dead_count(subscription);
        trip.cmd("HLEN").arg(keys::waiting(subscription));
        trip.cmd("HGET").arg(counts).arg(field);
        trip.cmd("LLEN").arg(keys::dead(subscription));
    }
    let mut answers = link.ask_all(&mut trip, 0).await?.into_iter();
    let mut answer = || answers.next().ok_or_else(unexpected)?.map_err(from_client);
    let mut of_one = || {
        let waiting = number(answer()?)?;
        let counted = bytes(answer()?)?.map_or(Ok(0), |count| number(Value::BulkString(count)))?;
        // A list that somebody cleared by hand has no dead letters, whatever was counted.
        Ok(QueueLengths {
            waiting,
            dead: counted.min(number(answer()?)?),
        })
    };
    subscriptions.iter().map(|_| of_one()).collect()
}
