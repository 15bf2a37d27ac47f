//! A store in memory whose commits and purges a test delays, and whose answers it loses.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::{
    CollectionName, Commit, Lease, LetterSelection, OpenRequest, Opened, ProcessedId, QueueLengths, RetryId,
    StateError, StateErrorKind, StateStore, StoredLetter, SubscriptionId, SubscriptionStart,
    SubscriptionState, WaitingRecord,
};
use conduit_state::MemoryStore;
use tokio::sync::Notify;

/// What a commit is answered.
type CommitAnswer = Result<(), StateErrorKind>;

/// Does what the store in memory does, but for the faults that a test asks for.
#[derive(Debug)]
pub(crate) struct FaultyStore {
    inner: MemoryStore,
    holds_next: AtomicBool,
    held: Notify,
    let_go: Notify,
    held_answers: Mutex<Vec<CommitAnswer>>,
    loses_next: AtomicBool,
    lost: Notify,
    purge_delay: Mutex<Duration>,
}

impl FaultyStore {
    pub(crate) fn new(inner: MemoryStore) -> Arc<Self> {
        Arc::new(Self {
            inner,
            holds_next: AtomicBool::new(false),
            held: Notify::new(),
            let_go: Notify::new(),
            held_answers: Mutex::default(),
            loses_next: AtomicBool::new(false),
            lost: Notify::new(),
            purge_delay: Mutex::default(),
        })
    }

    /// Holds the next commits back, before they are applied, until they are let go.
    pub(crate) fn hold_next_commits(&self) {
        self.holds_next.store(true, Ordering::SeqCst);
    }

    /// Waits until commits are held.
    pub(crate) async fn until_held(&self) {
        soon("commits are held", self.held.notified()).await;
    }

    /// Lets the commits that are held be applied.
    pub(crate) fn let_go(&self) {
        self.let_go.notify_one();
    }

    /// Returns what the commits were answered that were held.
    pub(crate) fn held_answers(&self) -> Vec<CommitAnswer> {
        self.held_answers.lock().unwrap().clone()
    }

    /// Applies the next commits and says that it is not known whether they were.
    pub(crate) fn lose_next_answers(&self) {
        self.loses_next.store(true, Ordering::SeqCst);
    }

    /// Waits until answers were lost.
    pub(crate) async fn until_lost(&self) {
        soon("answers are lost", self.lost.notified()).await;
    }

    /// Applies purges at once, and answers them so much later.
    pub(crate) fn answer_purges_after(&self, delay: Duration) {
        *self.purge_delay.lock().unwrap() = delay;
    }
}

/// Waits for what has to happen within an hour of paused time.
async fn soon(what: &str, happens: impl Future<Output = ()>) {
    let waited = tokio::time::timeout(Duration::from_secs(3600), happens).await;
    waited.unwrap_or_else(|_| panic!("never: {what}"));
}

#[async_trait]
impl StateStore for FaultyStore {
    async fn commit(&self, commits: &[Commit]) -> Vec<Result<(), StateError>> {
        let is_held = self.holds_next.swap(false, Ordering::SeqCst);
        if is_held {
            self.held.notify_one();
            self.let_go.notified().await;
        }
        let answers = self.inner.commit(commits).await;
        if is_held {
            let kinds = answers
                .iter()
                .map(|answer| answer.as_ref().copied().map_err(StateError::kind));
            self.held_answers.lock().unwrap().extend(kinds);
        }
        if self.loses_next.swap(false, Ordering::SeqCst) {
            self.lost.notify_one();
            let lost = || Err(StateError::unavailable("the answer was lost"));
            return commits.iter().map(|_| lost()).collect();
        }
        answers
    }

    async fn purge_dead_letters(
        &self,
        name: &CollectionName,
        selection: &LetterSelection,
    ) -> Result<u64, StateError> {
        let purged = self.inner.purge_dead_letters(name, selection).await;
        let delay = *self.purge_delay.lock().unwrap();
        tokio::time::sleep(delay).await;
        purged
    }

    async fn open(&self, request: &OpenRequest) -> Result<Opened, StateError> {
        self.inner.open(request).await
    }

    async fn load(
        &self,
        lease: &Lease,
        starts: &[SubscriptionStart],
    ) -> Result<Vec<SubscriptionState>, StateError> {
        self.inner.load(lease, starts).await
    }

    async fn renew(
        &self,
        leases: &[Lease],
        time: Duration,
    ) -> Result<Vec<Result<(), StateError>>, StateError> {
        self.inner.renew(leases, time).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), StateError> {
        self.inner.release(lease).await
    }

    async fn waiting(
        &self,
        id: &SubscriptionId,
        ids: &[RetryId],
    ) -> Result<Vec<Option<WaitingRecord>>, StateError> {
        self.inner.waiting(id, ids).await
    }

    async fn processed(&self, id: &SubscriptionId, ids: &[ProcessedId]) -> Result<Vec<bool>, StateError> {
        self.inner.processed(id, ids).await
    }

    async fn dead_letters(
        &self,
        name: &CollectionName,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<String>, StateError> {
        self.inner.dead_letters(name, after, limit).await
    }

    async fn lengths(&self, ids: &[SubscriptionId]) -> Result<Vec<QueueLengths>, StateError> {
        self.inner.lengths(ids).await
    }

    async fn letters(
        &self,
        name: &CollectionName,
        selection: &LetterSelection,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<StoredLetter>, StateError> {
        self.inner.letters(name, selection, after, limit).await
    }

    async fn forget(&self, id: &SubscriptionId) -> Result<(), StateError> {
        self.inner.forget(id).await
    }

    async fn forget_collection(&self, name: &CollectionName) -> Result<(), StateError> {
        self.inner.forget_collection(name).await
    }

    async fn ping(&self) -> Result<(), StateError> {
        self.inner.ping().await
    }
}
