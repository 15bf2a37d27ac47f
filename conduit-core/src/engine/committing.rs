//! How a subscription commits what it settled, while it runs and at its end.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;

use super::subscription::{Committed, End, Subscription, poll_opt};
use super::vitals::Awaited;
use crate::delivery::sleep_until;

/// How long the last commit may take at least.
const PATIENCE: Duration = Duration::from_secs(1);

impl Subscription {
    /// Sends a commit if there is something to say and none is in flight.
    pub(super) fn start_commit(&mut self) {
        self.commit_moves_after(self.context.settings.idle_commit_interval);
    }

    /// As [`start_commit`](Self::start_commit). That nothing but the position moved, over what needed nothing, is said so
    /// long after the last commit.
    fn commit_moves_after(&mut self, interval: Duration) {
        if self.committing.is_some() {
            return;
        }
        let has_news = !self.draft.is_empty() || self.tracker.has_settled();
        let moved = self.tracker.position() > &self.committed;
        let is_due = moved && self.last_commit_at.elapsed() >= interval;
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
        self.vitals.came(Awaited::Commit);
        self.last_commit += 1;
        self.last_commit_at = Instant::now();
        self.status
            .set_position(&committed.position, self.retries.oldest(), None);
        self.committed = committed.position;
        for id in committed.stored {
            if !self.draft.has_parked(id) {
                self.drop_contents(id);
            }
        }
        Ok(())
    }

    /// Stops reading, lets calls in hand finish, and commits everything that settled, as it settles: a worker that is killed
    /// while it waits for a slow answer repeats no more than at any other time.
    pub(super) async fn finish(&mut self, deadline: Instant) -> End {
        // The end has a deadline of its own.
        self.status.set_vitals(None);
        self.reading.stop();
        self.loading = None;
        self.ask_who_follows();
        let dispatcher = Arc::clone(&self.dispatcher);
        let mut draining = pin!(dispatcher.drain(deadline));
        // Once drained: a store that does not answer cannot hold up the end for ever; what it did not get comes again.
        let mut patience = None;
        loop {
            if patience.is_some() {
                // Whoever goes on from here would judge again what was filtered, perhaps by another filter.
                self.commit_moves_after(Duration::ZERO);
            } else {
                self.start_commit();
            }
            if patience.is_some() && self.committing.is_none() {
                return End::Stopped;
            }
            tokio::select! {
                biased;
                Some(committed) = poll_opt(&mut self.committing) => {
                    if let Err(end) = self.on_committed(committed) {
                        return end;
                    }
                }
                progress = self.in_hand.next(), if !self.in_hand.is_empty() => {
                    self.settle_draining(progress, self.context.clock.now());
                }
                () = &mut draining, if patience.is_none() => {
                    while let Some(progress) = self.in_hand.try_next() {
                        self.settle_draining(progress, self.context.clock.now());
                    }
                    patience = Some(deadline.max(Instant::now() + PATIENCE));
                }
                () = sleep_until(patience) => {
                    const WHY: &str = "stopped without the last commit: some records will come again";
                    tracing::warn!(collection = %self.id.collection, destination = %self.id.destination, "{WHY}");
                    return End::Uncertain(WHY.to_owned());
                }
            }
        }
    }
}
