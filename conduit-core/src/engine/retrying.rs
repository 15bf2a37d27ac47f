//! How a subscription sends waiting records.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::FutureExt;

use super::backoff::Backoff;
use super::draft::Attempts;
use super::in_hand::Retry;
use super::retry_queue::Due;
use super::subscription::{End, Loaded, Subscription};
use super::vitals::Awaited;
use crate::contract::{RetryId, Route, StateErrorKind, StateStore};
use crate::delivery::Health;
use crate::value::SubscriptionId;

/// Most waiting records of one key that are sent in one go once its head got through.
const MAX_KEY_RECORDS: usize = 64;

/// Makes chains of what is due: what failed before alone, the rest of as many keys together as a call holds, the first of
/// each before the second of any, so that calls of one record a key are full.
fn chains(due: Vec<Due>, call_records: usize) -> Vec<Vec<RetryId>> {
    let mut chains = Vec::new();
    let mut together: Vec<Vec<RetryId>> = Vec::new();
    for Due { ids, is_alone, .. } in due {
        if is_alone {
            chains.push(ids);
            continue;
        }
        together.push(ids);
        if together.len() == call_records {
            chains.push(by_turns(&std::mem::take(&mut together)));
        }
    }
    if !together.is_empty() {
        chains.push(by_turns(&together));
    }
    chains
}

/// The first id of each key, then the second of each, and so on.
fn by_turns(keys: &[Vec<RetryId>]) -> Vec<RetryId> {
    let most = keys.iter().map(Vec::len).max().unwrap_or(0);
    (0..most)
        .flat_map(|turn| keys.iter().filter_map(move |ids| ids.get(turn)))
        .copied()
        .collect()
}

impl Subscription {
    fn is_held(&self) -> bool {
        matches!(*self.health.borrow(), Health::Held(_))
    }

    /// Whether waiting records are sent when they are due.
    pub(super) fn can_retry(&self) -> bool {
        let load = self.retries.load();
        let has_room = load.places < self.max_load.places && load.bytes < self.max_load.bytes;
        !self.is_held() && !self.dead_count.is_full() && has_room
    }

    /// Sends what is due of the retry queue; contents that are in the store only are loaded first.
    pub(super) async fn start_retries(&mut self) -> Result<(), End> {
        if self.loading.is_some() || self.dead_count.is_full() {
            return Ok(());
        }
        if self.is_held() {
            return self.start_probe().await;
        }
        let now = self.context.clock.now();
        let due = self
            .retries
            .take_due(now, self.max_load, self.call_records, MAX_KEY_RECORDS);
        let mut missing = Vec::new();
        for ids in chains(due, self.call_records) {
            let held: Option<Vec<Retry>> = ids.iter().map(|id| self.held(*id)).collect();
            match held {
                Some(retries) => self.submit_chain(retries).await?,
                None => missing.push(ids),
            }
        }
        self.load_missing(missing);
        Ok(())
    }

    /// Asks a destination that fails as a whole whether it answers again: one waiting record at a time, of another key each
    /// time. It goes out when the endpoint says that it is time.
    async fn start_probe(&mut self) -> Result<(), End> {
        if self.retries.load().places > 0 {
            return Ok(());
        }
        if let Some(id) = self.retries.take_first() {
            match self.held(id) {
                Some(retry) => self.submit_chain(vec![retry]).await?,
                None => self.load_missing(vec![vec![id]]),
            }
        }
        Ok(())
    }

    fn load_missing(&mut self, missing: Vec<Vec<RetryId>>) {
        if !missing.is_empty() {
            let store = Arc::clone(&self.context.store);
            let held = missing.iter().flatten().filter_map(|id| self.held(*id)).collect();
            self.loading = Some(load(store, self.id.clone(), missing, held).boxed());
        }
    }

    fn held(&self, id: RetryId) -> Option<Retry> {
        let (record, attempts) = self.contents.get(&id)?;
        Some(Retry {
            id,
            attempts: *attempts,
            record: Arc::clone(record),
        })
    }

    pub(super) async fn on_loaded(&mut self, loaded: Loaded) -> Result<(), End> {
        self.vitals.came(Awaited::Contents);
        for retries in loaded? {
            self.submit_chain(retries).await?;
        }
        Ok(())
    }

    async fn submit_chain(&mut self, retries: Vec<Retry>) -> Result<(), End> {
        let route = if self.is_held() {
            Route::Probe
        } else {
            Route::Chain
        };
        let work = self.in_hand.chain(route, retries);
        let submitted = self.dispatcher.submit(work).await;
        submitted.map_err(|closed| End::Reload(closed.to_string()))
    }
}

/// Loads the contents of waiting records, asking until the store answers.
async fn load(
    store: Arc<dyn StateStore>,
    id: SubscriptionId,
    wanted: Vec<Vec<RetryId>>,
    held: Vec<Retry>,
) -> Loaded {
    let mut known: HashMap<RetryId, Retry> = held.into_iter().map(|retry| (retry.id, retry)).collect();
    let missing: Vec<RetryId> = wanted
        .iter()
        .flatten()
        .filter(|id| !known.contains_key(id))
        .copied()
        .collect();
    let mut backoff = Backoff::default();
    let loaded = loop {
        match store.waiting(&id, &missing).await {
            Ok(loaded) => break loaded,
            Err(error) if error.kind() == StateErrorKind::Unavailable => {
                if !backoff.is_failing() {
                    tracing::warn!(collection = %id.collection, destination = %id.destination, %error, "cannot load waiting records");
                }
                tokio::time::sleep(backoff.next()).await;
            }
            Err(error) => return Err(End::Halted(error.to_string())),
        }
    };
    for waiting in loaded.into_iter().flatten() {
        let attempts = Attempts {
            count: waiting.attempts,
            first: waiting.first_attempt,
        };
        known.insert(
            waiting.id,
            Retry {
                id: waiting.id,
                attempts,
                record: waiting.record,
            },
        );
    }
    wanted
        .into_iter()
        .map(|ids| {
            let retries: Option<Vec<Retry>> = ids.iter().map(|id| known.remove(id)).collect();
            let gone = || End::Reload("a waiting record is not in the store any more".to_owned());
            retries.ok_or_else(gone)
        })
        .collect()
}
