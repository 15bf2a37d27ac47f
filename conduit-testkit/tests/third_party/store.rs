//! A store of one's own, over the one in memory: what it adds is that it counts its commits.
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::*;
use conduit_state::MemoryStore;

#[derive(Clone, Debug, Default)]
pub struct CountingStore {
    pub inner: MemoryStore,
    pub commits: std::sync::Arc<AtomicU64>,
}

type Answer<T> = Result<T, StateError>;

#[async_trait]
impl StateStore for CountingStore {
    async fn open(&self, request: &OpenRequest) -> Answer<Opened> {
        self.inner.open(request).await
    }
    async fn load(&self, lease: &Lease, of: &[SubscriptionStart]) -> Answer<Vec<SubscriptionState>> {
        self.inner.load(lease, of).await
    }
    async fn renew(&self, leases: &[Lease], time: Duration) -> Answer<Vec<Answer<()>>> {
        self.inner.renew(leases, time).await
    }
    async fn release(&self, lease: &Lease) -> Answer<()> {
        self.inner.release(lease).await
    }
    async fn commit(&self, commits: &[Commit]) -> Vec<Answer<()>> {
        self.commits.fetch_add(commits.len() as u64, Relaxed);
        self.inner.commit(commits).await
    }
    async fn waiting(&self, of: &SubscriptionId, ids: &[RetryId]) -> Answer<Vec<Option<WaitingRecord>>> {
        self.inner.waiting(of, ids).await
    }
    async fn processed(&self, of: &SubscriptionId, ids: &[ProcessedId]) -> Answer<Vec<bool>> {
        self.inner.processed(of, ids).await
    }
    async fn dead_letters(&self, of: &CollectionName, after: Option<u64>, n: usize) -> Answer<Vec<String>> {
        self.inner.dead_letters(of, after, n).await
    }
    async fn lengths(&self, of: &[SubscriptionId]) -> Answer<Vec<QueueLengths>> {
        self.inner.lengths(of).await
    }
    #[rustfmt::skip]
    async fn letters(
        &self, of: &CollectionName, which: &LetterSelection, after: Option<u64>, n: usize,
    ) -> Answer<Vec<StoredLetter>> {
        self.inner.letters(of, which, after, n).await
    }
    async fn purge_dead_letters(&self, of: &CollectionName, which: &LetterSelection) -> Answer<u64> {
        self.inner.purge_dead_letters(of, which).await
    }
    async fn forget(&self, of: &SubscriptionId) -> Answer<()> {
        self.inner.forget(of).await
    }
    async fn forget_collection(&self, of: &CollectionName) -> Answer<()> {
        self.inner.forget_collection(of).await
    }
    async fn ping(&self) -> Answer<()> {
        self.inner.ping().await
    }
}
