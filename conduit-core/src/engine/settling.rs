//! How a subscription deals with outcomes, retries and commits.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::draft::Attempts;
use super::in_hand::{Progress, Retry};
use super::subscription::{Committed, End, Loaded, Subscription};
use crate::contract::{
    DeadLetter, Outcome, RetryId, SettledAs, SinkError, StateErrorKind, StateStore, WaitingRef,
};
use crate::value::{Record, RecordKey, SubscriptionId, WallTime};

/// Most waiting records of one key that are sent in one go once its head got through.
const MAX_CHAIN_RECORDS: usize = 64;
const MAX_CHAIN_BYTES: usize = 1024 * 1024;

impl Subscription {
    /// Settles one outcome while running: one that was not attempted means that the lanes died.
    pub(super) fn settle(&mut self, progress: Progress) -> Result<(), End> {
        // The rest of a chain after a failure comes back so too; its end puts it back in the queue.
        if let Progress::Lane { settled, .. } = &progress
            && matches!(settled.outcome, Outcome::Unattempted)
        {
            return Err(End::Reload("the lanes died".to_owned()));
        }
        self.settle_draining(progress);
        Ok(())
    }

    /// Settles one outcome; what was not attempted stays unsettled and comes again.
    pub(super) fn settle_draining(&mut self, progress: Progress) {
        let now = self.context.clock.now();
        match progress {
            Progress::Lane {
                index,
                record,
                settled,
            } => {
                match settled.outcome {
                    Outcome::Delivered { cured } => self.delivered(&record, cured, settled.took, now),
                    Outcome::Failed(error) => self.park_failed(&record, &error, settled.took, now),
                    Outcome::Behind => self.park_behind(&record, now),
                    Outcome::Dead(error) => {
                        let letter = DeadLetter::at_once(Arc::clone(&record), now, &error);
                        self.give_up(letter, settled.took, now);
                    }
                    Outcome::Unattempted => return,
                }
                self.tracker.settle(index);
            }
            Progress::Retry {
                retry,
                settled,
                ends_chain,
            } => {
                match settled.outcome {
                    Outcome::Delivered { cured } => {
                        self.delivered(&retry.record, cured, settled.took, now);
                        self.leave(&retry, now);
                    }
                    Outcome::Failed(error) => self.retry_failed(&retry, &error, false, settled.took, now),
                    Outcome::Dead(error) => self.retry_failed(&retry, &error, true, settled.took, now),
                    Outcome::Behind | Outcome::Unattempted => {}
                }
                if ends_chain {
                    self.retries.finished(retry.record.key(), now);
                }
            }
        }
    }

    fn delivered(&mut self, record: &Record, cured: bool, took: Option<Duration>, now: WallTime) {
        self.draft.delivered(record, cured);
        self.observe(record, SettledAs::Delivered, took, now, None);
    }

    fn park_failed(
        &mut self,
        record: &Arc<Record>,
        error: &SinkError,
        took: Option<Duration>,
        now: WallTime,
    ) {
        let due = now.after(self.policy.delay(1, &mut self.rng));
        let id = self
            .retries
            .push(now, |id| WaitingRef::of(id, record, Some(due), false));
        self.draft.park(id, record, Some((error, now, due)));
        self.hold_contents(
            id,
            record,
            Attempts {
                count: 1,
                first: Some(now),
            },
        );
        self.observe_failure(record, error, 1, took, now);
    }

    fn park_behind(&mut self, record: &Arc<Record>, now: WallTime) {
        let id = self
            .retries
            .push(now, |id| WaitingRef::of(id, record, None, false));
        self.draft.park(id, record, None);
        self.hold_contents(id, record, Attempts::default());
    }

    fn retry_failed(
        &mut self,
        retry: &Retry,
        error: &SinkError,
        is_final: bool,
        took: Option<Duration>,
        now: WallTime,
    ) {
        let key = retry.record.key();
        let attempts = Attempts {
            count: retry.attempts.count + 1,
            first: Some(retry.attempts.first.unwrap_or(now)),
        };
        if is_final || attempts.count >= self.keys.allowed_attempts(key) {
            let letter = DeadLetter {
                record: Arc::clone(&retry.record),
                attempts: attempts.count,
                first_attempt: attempts.first.unwrap_or(now),
                last_attempt: now,
                last_error: error.report(),
                stale: false,
            };
            self.keys.poison(&retry.record);
            self.give_up(letter, took, now);
            self.leave(retry, now);
            return;
        }
        let due = now.after(self.policy.delay(attempts.count, &mut self.rng));
        self.retries.reschedule(retry.id, due);
        self.draft
            .reschedule(retry.id, &retry.record, attempts, error, now, due);
        self.hold_contents(retry.id, &retry.record, attempts);
        self.observe_failure(&retry.record, error, attempts.count, took, now);
    }

    fn give_up(&mut self, letter: DeadLetter, took: Option<Duration>, now: WallTime) {
        tracing::error!(
            subscription = %self.id, event_id = %letter.record.event_id(), attempts = letter.attempts,
            error = %letter.last_error, "a record was given up and is in the dead letter queue"
        );
        self.observe(
            &letter.record,
            SettledAs::DeadLettered,
            took,
            now,
            Some(&letter.last_error),
        );
        self.draft.dead(letter);
    }

    fn observe_failure(
        &self,
        record: &Record,
        error: &SinkError,
        attempt: u32,
        took: Option<Duration>,
        now: WallTime,
    ) {
        let report = error.report();
        tracing::debug!(subscription = %self.id, event_id = %record.event_id(), attempt, error = %report, "a delivery failed");
        self.observe(record, SettledAs::Retried, took, now, Some(&report));
    }

    /// Takes a waiting record out of the queue, first in the next commit's draft, then in the table that the lanes ask:
    /// so the commit that holds the key's next direct delivery has this too.
    fn leave(&mut self, retry: &Retry, now: WallTime) {
        self.draft.unpark(retry.id);
        self.drop_contents(retry.id);
        self.retries.remove(retry.id, now);
        self.keys.left(retry.record.key());
    }

    fn hold_contents(&mut self, id: RetryId, record: &Arc<Record>, attempts: Attempts) {
        if self.contents.insert(id, (Arc::clone(record), attempts)).is_none() {
            self.contents_bytes += record.size();
        }
    }

    fn drop_contents(&mut self, id: RetryId) {
        if let Some((record, _)) = self.contents.remove(&id) {
            self.contents_bytes -= record.size();
        }
    }

    /// Sends what is due of the retry queue; contents that are in the store only are loaded first.
    pub(super) async fn start_retries(&mut self) -> Result<(), End> {
        if self.loading.is_some() {
            return Ok(());
        }
        let free = self.max_chains.saturating_sub(self.retries.running());
        let now = self.context.clock.now();
        let due = self
            .retries
            .take_due(now, free, MAX_CHAIN_RECORDS, MAX_CHAIN_BYTES);
        let mut missing = Vec::new();
        for (key, ids) in due {
            let held: Option<Vec<Retry>> = ids.iter().map(|id| self.held(*id)).collect();
            match held {
                Some(retries) => self.submit_chain(key, retries).await?,
                None => missing.push((key, ids)),
            }
        }
        if !missing.is_empty() {
            let store = Arc::clone(&self.context.store);
            let held = missing
                .iter()
                .flat_map(|(_, ids)| ids)
                .filter_map(|id| self.held(*id))
                .collect();
            self.loading = Some(load(store, self.id.clone(), missing, held).boxed());
        }
        Ok(())
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
        let work = self.in_hand.chain(key, retries);
        let submitted = self.dispatcher.submit(work).await;
        submitted.map_err(|closed| End::Reload(closed.to_string()))
    }

    /// Sends a commit if there is something to say and none is in flight.
    pub(super) fn start_commit(&mut self) {
        if self.committing.is_some() {
            return;
        }
        let has_news = !self.draft.is_empty() || self.tracker.has_settled();
        let idle_for = self.last_commit_at.elapsed();
        let moved = self.tracker.position() > &self.committed;
        let is_due = moved && idle_for >= self.context.settings.idle_commit_interval;
        if !has_news && !is_due {
            return;
        }
        let position = self.tracker.position().clone();
        let ahead = self.tracker.take_ahead();
        let positions = (&self.committed, &position);
        let commit = self
            .draft
            .take(&self.id, &self.lease, self.last_commit + 1, positions, ahead);
        let stored = commit.parked.iter().map(|parked| parked.id).collect();
        let committer = self.context.committer.clone();
        self.committing = Some(
            async move {
                let result = committer.commit(commit).await;
                Committed {
                    stored,
                    position,
                    result,
                }
            }
            .boxed(),
        );
    }

    pub(super) fn on_committed(&mut self, committed: Committed) -> Result<(), End> {
        committed.result.map_err(|error| self.end_of(&error))?;
        self.last_commit += 1;
        self.last_commit_at = Instant::now();
        self.status.set_position(&committed.position);
        self.committed = committed.position;
        for id in committed.stored {
            if !self.draft.has_parked(id) {
                self.drop_contents(id);
            }
        }
        Ok(())
    }
}

/// Loads the contents of waiting records, asking until the store answers.
async fn load(
    store: Arc<dyn StateStore>,
    id: SubscriptionId,
    wanted: Vec<(RecordKey, Vec<RetryId>)>,
    held: Vec<Retry>,
) -> Loaded {
    let mut known: std::collections::HashMap<RetryId, Retry> =
        held.into_iter().map(|retry| (retry.id, retry)).collect();
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
