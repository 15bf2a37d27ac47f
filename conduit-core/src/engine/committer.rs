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

/// A commit that the store has not answered yet.
struct Waiting {
    commit: Commit,
    turn: Turn,
}

/// Who waits for the answer, and when the commit is sent next.
struct Turn {
    answer: Answer,
    not_before: Instant,
    backoff: Backoff,
}

/// Group commit: what is ready leaves together, one round trip in flight, at least `interval` apart.
///
/// A commit whose outcome is unknown is sent again, with a backoff of its own, so that one that always fails slows no
/// other.
async fn run(store: Arc<dyn StateStore>, interval: Duration, mut commits: mpsc::Receiver<(Commit, Answer)>) {
    let mut waiting: Vec<Waiting> = Vec::new();
    let mut next = Instant::now();
    let mut is_failing = false;
    let mut is_closed = false;
    loop {
        let due = waiting.iter().map(|waiting| waiting.turn.not_before).min();
        if due.is_none() && is_closed {
            return;
        }
        let begins = next.max(due.unwrap_or(next));
        tokio::select! {
            commit = commits.recv(), if !is_closed && waiting.len() < MAX_GROUP => {
                match commit {
                    Some((commit, answer)) => {
                        let turn = Turn { answer, not_before: Instant::now(), backoff: Backoff::default() };
                        waiting.push(Waiting { commit, turn });
                    }
                    None => is_closed = true,
                }
                continue;
            }
            () = tokio::time::sleep_until(begins), if due.is_some() => {}
        }
        // Nobody waits for the answer any more: the subscription was dropped, so its commit must not be repeated.
        waiting.retain(|waiting| !waiting.turn.answer.is_closed());
        let now = Instant::now();
        let (ready, later): (Vec<Waiting>, Vec<Waiting>) = std::mem::take(&mut waiting)
            .into_iter()
            .partition(|waiting| waiting.turn.not_before <= now);
        waiting = later;
        if ready.is_empty() {
            continue;
        }
        next = now + interval;
        let failed = send(&*store, ready).await;
        match (failed.first(), is_failing) {
            (Some((error, _)), false) => {
                tracing::warn!(%error, "the state store does not take commits; they wait for it");
            }
            (None, true) => tracing::info!("the state store takes commits again"),
            _ => {}
        }
        is_failing = !failed.is_empty();
        waiting.extend(failed.into_iter().map(|(_, waiting)| waiting));
    }
}

/// Sends a group in one trip and passes the answers on; returns those whose outcome is unknown.
async fn send(store: &dyn StateStore, group: Vec<Waiting>) -> Vec<(StateError, Waiting)> {
    let (commits, turns): (Vec<Commit>, Vec<Turn>) = group
        .into_iter()
        .map(|waiting| (waiting.commit, waiting.turn))
        .unzip();
    let mut results = store.commit(&commits).await;
    results.resize_with(commits.len(), || {
        Err(StateError::unavailable("the store did not answer"))
    });
    let mut failed = Vec::new();
    for ((commit, mut turn), result) in commits.into_iter().zip(turns).zip(results) {
        match result {
            // Unknown is not done: the same commit again, until the store says what it is.
            Err(error) if error.kind() == StateErrorKind::Unavailable => {
                turn.not_before = Instant::now() + turn.backoff.next();
                failed.push((error, Waiting { commit, turn }));
            }
            result => {
                let _ = turn.answer.send(result);
            }
        }
    }
    failed
}
