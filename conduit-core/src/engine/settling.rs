//! How a subscription settles what comes back of the records that it gave out.

use std::sync::Arc;
use std::time::Duration;

use super::draft::Attempts;
use super::in_hand::{Progress, Retry};
use super::subscription::{End, Subscription};
use crate::contract::{DeadLetter, Outcome, RetryId, SettledAs, SinkError, WaitingRef};
use crate::value::{Record, WallTime};

impl Subscription {
    /// Settles one outcome while running: one that was not attempted means that the lanes died.
    pub(super) fn settle(&mut self, progress: Progress, now: WallTime) -> Result<(), End> {
        // The rest of a chain after a failure comes back so too; its end puts it back in the queue.
        if let Progress::Lane { settled, .. } = &progress
            && matches!(settled.outcome, Outcome::Unattempted)
        {
            return Err(End::Reload("the lanes died".to_owned()));
        }
        self.settle_draining(progress, now);
        Ok(())
    }

    /// Settles one outcome; what was not attempted stays unsettled and comes again.
    pub(super) fn settle_draining(&mut self, progress: Progress, now: WallTime) {
        match progress {
            Progress::Lane {
                index,
                record,
                settled,
            } => {
                let took = settled.took;
                let is_settled = !matches!(settled.outcome, Outcome::Recalled | Outcome::Unattempted);
                match settled.outcome {
                    Outcome::Delivered { cured } => {
                        self.delivered(&record, cured, (1, took), now);
                        self.overtake(&record, now);
                    }
                    Outcome::Failed { error, is_attempt } => {
                        self.park_failed(&record, &error, is_attempt, took, now);
                    }
                    Outcome::Behind => self.park_behind(&record, now),
                    Outcome::Dead(error) => {
                        let letter = DeadLetter::at_once(Arc::clone(&record), now, &error);
                        self.give_up(letter, took, now);
                    }
                    Outcome::Recalled | Outcome::Unattempted => {}
                }
                if is_settled {
                    self.tracker.settle(index);
                }
                self.left_lanes(record.key(), now);
            }
            Progress::Retry {
                retry,
                settled,
                ends_chain,
            } => {
                match settled.outcome {
                    Outcome::Delivered { cured } => {
                        let attempt = retry.attempts.count + 1;
                        self.delivered(&retry.record, cured, (attempt, settled.took), now);
                        self.leave(&retry, now);
                    }
                    Outcome::Failed {
                        error,
                        is_attempt: true,
                    } => self.retry_failed(&retry, &error, false, settled.took, now),
                    Outcome::Failed {
                        error,
                        is_attempt: false,
                    } => {
                        // Not now again, so that others have their turn; nothing of it is worth storing.
                        let due = now.after(self.policy.delay(1, &mut self.rng));
                        self.retries.reschedule(retry.id, due);
                        self.observe_failure(&retry.record, &error, retry.attempts.count, settled.took, now);
                    }
                    Outcome::Dead(error) => self.retry_failed(&retry, &error, true, settled.took, now),
                    Outcome::Behind | Outcome::Recalled | Outcome::Unattempted => {}
                }
                if ends_chain {
                    self.retries.finished(retry.record.key(), now);
                }
            }
        }
    }

    fn delivered(
        &mut self,
        record: &Record,
        cured: bool,
        (attempt, took): (u32, Option<Duration>),
        now: WallTime,
    ) {
        self.draft.delivered(record, cured);
        self.observe(record, (SettledAs::Delivered, attempt), took, now, None);
    }

    fn park_failed(
        &mut self,
        record: &Arc<Record>,
        error: &SinkError,
        is_attempt: bool,
        took: Option<Duration>,
        now: WallTime,
    ) {
        let record = &to_keep(record);
        let due = now.after(self.policy.delay(1, &mut self.rng));
        let id = self.retries.push(now, |id| WaitingRef::of(id, record, Some(due)));
        let attempts = Attempts {
            count: u32::from(is_attempt),
            first: is_attempt.then_some(now),
        };
        self.draft.park_failed(id, record, attempts, error, due);
        self.hold_contents(id, record, attempts);
        self.observe_failure(record, error, attempts.count, took, now);
    }

    fn park_behind(&mut self, record: &Arc<Record>, now: WallTime) {
        let record = &to_keep(record);
        let id = self.retries.push(now, |id| WaitingRef::of(id, record, None));
        self.draft.park(id, record);
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
        self.dead_count.add(1);
        tracing::error!(
            collection = %self.id.collection, destination = %self.id.destination, event_id = %letter.record.event_id(), attempt = letter.attempts,
            error = %letter.last_error, "a record was given up and is in the dead letter queue"
        );
        self.observe(
            &letter.record,
            (SettledAs::DeadLettered, letter.attempts),
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
        tracing::debug!(collection = %self.id.collection, destination = %self.id.destination, event_id = %record.event_id(), attempt, error = %report, "a delivery failed");
        self.observe(record, (SettledAs::Retried, attempt), took, now, Some(&report));
    }

    /// Takes a waiting record out of the queue, first in the next commit's draft, then in the table that the lanes ask:
    /// so the commit that holds the key's next direct delivery has this too.
    pub(super) fn leave(&mut self, retry: &Retry, now: WallTime) {
        self.draft.unpark(retry.id);
        self.drop_contents(retry.id);
        self.retries.remove(retry.id, now);
        self.keys.left(retry.record.key());
    }

    pub(super) fn hold_contents(&mut self, id: RetryId, record: &Arc<Record>, attempts: Attempts) {
        if self.contents.insert(id, (Arc::clone(record), attempts)).is_none() {
            self.contents_bytes += record.size();
        }
    }

    pub(super) fn drop_contents(&mut self, id: RetryId) {
        if let Some((record, _)) = self.contents.remove(&id) {
            self.contents_bytes -= record.size();
        }
    }
}

/// A record that may be kept for long, in memory of its own: what was read together is not to stay for its sake.
fn to_keep(record: &Record) -> Arc<Record> {
    Arc::new(record.detached())
}
