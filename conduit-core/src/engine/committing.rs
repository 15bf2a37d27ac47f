//! How a subscription commits what it settled, while it runs and at its end.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;

use super::subscription::{Committed, End, Subscription, poll_opt};

impl Subscription {
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

    /// Stops reading, lets calls in hand finish, and commits everything that settled.
    pub(super) async fn finish(&mut self, deadline: Instant) -> End {
        self.reading.stop().await;
        self.loading = None;
        self.dispatcher.drain(deadline).await;
        while let Some(progress) = self.in_hand.try_next() {
            self.settle_draining(progress);
        }
        let commits = async {
            loop {
                if let Some(committed) = poll_opt(&mut self.committing).await
                    && let Err(end) = self.on_committed(committed)
                {
                    return end;
                }
                self.start_commit();
                if self.committing.is_none() {
                    return End::Stopped;
                }
            }
        };
        // A store that does not answer cannot hold up the end for ever; what it did not get comes again.
        let patience = deadline.max(Instant::now() + Duration::from_secs(1));
        match tokio::time::timeout_at(patience, commits).await {
            Ok(end) => end,
            Err(_elapsed) => {
                let why = "stopped without the last commit: some records will come again";
                tracing::warn!(subscription = %self.id, why);
                End::Uncertain(why.to_owned())
            }
        }
    }
}
