//! Ids of delivered records, remembered for 24 hours.

use std::time::Duration;

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata};

use conduit_core::{ProcessedId, SubscriptionId, WallTime};

use super::error::Failure;
use super::tables::{PROCESSED, PROGRESS, Tables, after, names, read_table};
use crate::encoding::{Progress, read};

/// How long an id is remembered.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);
/// How many expired ids a commit drops beyond twice as many as it adds.
const EXTRA_PRUNED: usize = 64;

impl Tables<'_> {
    /// Remembers ids, unless that would be more than `max_keys`; whether they were. Drops some that have expired.
    pub(super) fn add_processed(
        &mut self,
        subscription: &SubscriptionId,
        ids: &[ProcessedId],
        generation: u64,
        now: WallTime,
        max_keys: u64,
    ) -> Result<bool, Failure> {
        self.prune(now, ids.len().saturating_mul(2).saturating_add(EXTRA_PRUNED))?;
        if ids.is_empty() || max_keys == 0 {
            return Ok(true);
        }
        let added = u64::try_from(ids.len()).unwrap_or(u64::MAX);
        if self.processed.len()?.saturating_add(added) > max_keys {
            return Ok(false);
        }
        let (collection, destination) = names(subscription);
        let expiry = now.after(REMEMBERED).as_millis();
        for id in ids {
            let id = text(id);
            let known = self
                .processed
                .insert((collection, destination, id.as_str()), (generation, expiry))?;
            if let Some((_, known)) = known.map(|known| known.value()) {
                self.expiries
                    .remove((known, collection, destination, id.as_str()))?;
            }
            self.expiries
                .insert((expiry, collection, destination, id.as_str()), ())?;
        }
        Ok(true)
    }

    /// Drops at most `most` ids of a collection; whether that were all.
    pub(super) fn forget_processed(&mut self, collection: &str, most: usize) -> Result<bool, Failure> {
        let end = after(collection);
        let all = (collection, "", "")..(end.as_str(), "", "");
        let mut ids = self.processed.extract_from_if(all, |_, _| true)?;
        for _ in 0..most {
            let Some(found) = ids.next() else {
                return Ok(true);
            };
            let (key, known) = found?;
            let (collection, destination, id) = key.value();
            self.expiries
                .remove((known.value().1, collection, destination, id))?;
        }
        Ok(false)
    }

    fn prune(&mut self, now: WallTime, most: usize) -> Result<(), Failure> {
        for _ in 0..most {
            let Some((key, _)) = self.expiries.first()? else {
                break;
            };
            let (expiry, collection, destination, id) = key.value();
            if expiry > now.as_millis() {
                break;
            }
            self.processed.remove((collection, destination, id))?;
            drop(key);
            self.expiries.pop_first()?;
        }
        Ok(())
    }
}

/// Whether each id was remembered in the subscription's present generation, within the last 24 hours.
pub(super) fn are_processed(
    transaction: &ReadTransaction,
    subscription: &SubscriptionId,
    ids: &[ProcessedId],
    now: WallTime,
) -> Result<Vec<bool>, Failure> {
    let (collection, destination) = names(subscription);
    let generation = match read_table(transaction, PROGRESS)?.get((collection, destination))? {
        Some(progress) => read::<Progress>(progress.value(), "a position")?.generation,
        None => 0,
    };
    let table = read_table(transaction, PROCESSED)?;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let known = table
            .get((collection, destination, text(id).as_str()))?
            .map(|known| known.value());
        found.push(known.is_some_and(|(of, expiry)| of == generation && expiry > now.as_millis()));
    }
    Ok(found)
}

fn text(id: &ProcessedId) -> String {
    format!("{}:{}-{}", id.record_type, id.timestamp.as_millis(), id.event_id)
}
