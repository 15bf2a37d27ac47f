//! Sends commits of all subscriptions together.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::backoff::Backoff;
use crate::contract::{Commit, StateError, StateErrorKind, StateStore};

/// Most commits in one trip; what is over it goes with the next.
const MAX_GROUP: usize = 256;

type Answer = oneshot::Sender<Result<(), StateError>>;

/// Hands commits to the engine's one committing task.
#[derive(Clone, Debug)]
pub(crate) struct Committer {
    commits: mpsc::Sender<(Commit, Answer)>,
}

impl Committer {
    /// Makes the handle and the task's future, which ends when the last handle is gone.
    pub(crate) fn new(
        store: Arc<dyn StateStore>,
        interval: Duration,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (commits, waiting) = mpsc::channel(MAX_GROUP);
        (Self { commits }, run(store, interval, waiting))
    }

    /// Commits; the answer is what the store said once it said something: a store that cannot be reached is asked
    /// again until it answers. Dropping the future leaves the outcome unknown.
    pub(crate) async fn commit(&self, commit: Commit) -> Result<(), StateError> {
        let gone = || StateError::unavailable("the engine is stopping");
        let (answer, answered) = oneshot::channel();
        self.commits
            .send((commit, answer))
            .await
            .map_err(|_closed| gone())?;
        answered.await.unwrap_or_else(|_closed| Err(gone()))
    }
}

/// Group commit: what is ready leaves together, one round trip in flight, at least `interval` apart.
async fn run(store: Arc<dyn StateStore>, interval: Duration, mut waiting: mpsc::Receiver<(Commit, Answer)>) {
    let mut group: Vec<(Commit, Answer)> = Vec::new();
    let mut backoff = Backoff::default();
    let mut next = Instant::now();
    loop {
        if group.is_empty() && waiting.recv_many(&mut group, MAX_GROUP).await == 0 {
            return;
        }
        tokio::time::sleep_until(next).await;
        while group.len() < MAX_GROUP {
            let Ok(commit) = waiting.try_recv() else { break };
            group.push(commit);
        }
        // Nobody waits for the answer any more: the subscription was dropped, so its commit must not be repeated.
        group.retain(|(_, answer)| !answer.is_closed());
        next = Instant::now() + interval;
        let (commits, answers): (Vec<Commit>, Vec<Answer>) = std::mem::take(&mut group).into_iter().unzip();
        let mut results = store.commit(&commits).await;
        results.resize_with(commits.len(), || {
            Err(StateError::unavailable("the store did not answer"))
        });
        let mut failed = None;
        for ((commit, answer), result) in commits.into_iter().zip(answers).zip(results) {
            match result {
                // Unknown is not done: the same commit again, until the store says what it is.
                Err(error) if error.kind() == StateErrorKind::Unavailable => {
                    failed = Some(error);
                    group.push((commit, answer));
                }
                result => {
                    let _ = answer.send(result);
                }
            }
        }
        if let Some(error) = failed {
            if !backoff.is_failing() {
                tracing::warn!(error = %error, "the state store cannot be reached; commits wait for it");
            }
            next = Instant::now() + backoff.next();
        } else if backoff.reset() {
            tracing::info!("the state store answers again");
        }
    }
}
