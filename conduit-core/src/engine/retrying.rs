//! How a subscription sends waiting records.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::FutureExt;

use super::backoff::Backoff;
use super::draft::Attempts;
use super::in_hand::Retry;
use super::subscription::{End, Loaded, Subscription};
use crate::contract::{RetryId, Route, StateErrorKind, StateStore};
use crate::delivery::Health;
use crate::value::{RecordKey, SubscriptionId};

/// Most waiting records of one key that are sent in one go once its head got through.
const MAX_CHAIN_RECORDS: usize = 64;

impl Subscription {
    fn is_held(&self) -> bool {
        matches!(*self.health.borrow(), Health::Held(_))
    }

    /// Whether waiting records are sent when they are due.
    pub(super) fn can_retry(&self) -> bool {
        !self.is_held() && !self.dead_count.is_full() && self.retries.running() < self.max_chains
    }

    /// Sends what is due of the retry queue; contents that are in the store only are loaded first.
    pub(super) async fn start_retries(&mut self) -> Result<(), End> {
        if self.loading.is_some() || self.dead_count.is_full() {
            return Ok(());
        }
        if self.is_held() {
            return self.start_probe().await;
        }
        let max_bytes = self.context.settings.max_retry_bytes / self.max_chains;
        let free = self.max_chains.saturating_sub(self.retries.running());
        let now = self.context.clock.now();
        let due = self.retries.take_due(now, free, MAX_CHAIN_RECORDS, max_bytes);
        let mut missing = Vec::new();
        for (key, ids) in due {
            let held: Option<Vec<Retry>> = ids.iter().map(|id| self.held(*id)).collect();
            match held {
                Some(retries) => self.submit_chain(key, retries).await?,
                None => missing.push((key, ids)),
            }
        }
        self.load_missing(missing);
        Ok(())
    }

    /// Asks a destination that fails as a whole whether it answers again: one waiting record at a time, of another key each
    /// time. It goes out when the endpoint says that it is time.
    async fn start_probe(&mut self) -> Result<(), End> {
        if self.retries.running() > 0 {
            return Ok(());
        }
        if let Some((key, id)) = self.retries.take_first() {
            match self.held(id) {
                Some(retry) => self.submit_chain(key, vec![retry]).await?,
                None => self.load_missing(vec![(key, vec![id])]),
            }
        }
        Ok(())
    }

    fn load_missing(&mut self, missing: Vec<(RecordKey, Vec<RetryId>)>) {
        if !missing.is_empty() {
            let store = Arc::clone(&self.context.store);
            let held = missing
                .iter()
                .flat_map(|(_, ids)| ids)
                .filter_map(|id| self.held(*id))
                .collect();
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
        for (key, retries) in loaded? {
            self.submit_chain(key, retries).await?;
        }
        Ok(())
    }

    async fn submit_chain(&mut self, key: RecordKey, retries: Vec<Retry>) -> Result<(), End> {
        let route = if self.is_held() {
            Route::Probe
        } else {
            Route::Chain
        };
        let work = self.in_hand.chain(route, key, retries);
        let submitted = self.dispatcher.submit(work).await;
        submitted.map_err(|closed| End::Reload(closed.to_string()))
    }
}

/// Loads the contents of waiting records, asking until the store answers.
async fn load(
    store: Arc<dyn StateStore>,
    id: SubscriptionId,
    wanted: Vec<(RecordKey, Vec<RetryId>)>,
    held: Vec<Retry>,
) -> Loaded {
    let mut known: HashMap<RetryId, Retry> = held.into_iter().map(|retry| (retry.id, retry)).collect();
    let missing: Vec<RetryId> = wanted
        .iter()
        .flat_map(|(_, ids)| ids)
        .filter(|id| !known.contains_key(id))
        .copied()
        .collect();
    let mut backoff = Backoff::default();
    let loaded = loop {
        match store.waiting(&id, &missing).await {
            Ok(loaded) => break loaded,
            Err(error) if error.kind() == StateErrorKind::Unavailable => {
                if !backoff.is_failing() {
                    tracing::warn!(subscription = %id, %error, "cannot load waiting records");
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
        .map(|(key, ids)| {
            let retries: Option<Vec<Retry>> = ids.iter().map(|id| known.remove(id)).collect();
            let gone = || End::Reload("a waiting record is not in the store any more".to_owned());
            Ok((key, retries.ok_or_else(gone)?))
        })
        .collect()
}
