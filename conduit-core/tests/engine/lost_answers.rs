//! Commits whose answers do not come, or come late.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::{
    CollectionName, Commit, Lease, LetterSelection, OpenRequest, Opened, ProcessedId, QueueLengths,
    RecordType, RetryId, Settings, StateError, StateErrorKind, StateStore, StoredLetter, SubscriptionId,
    SubscriptionStart, SubscriptionState, WaitingRecord,
};
use conduit_state::MemoryStore;
use conduit_testkit::RecordingSink;
use tokio::sync::Notify;

use crate::harness::{World, collection, subscription, values_of};

/// A store that holds commits back while it is told to, applies them when it is let go, and may lose the answers.
#[derive(Debug)]
struct HoldingStore {
    inner: MemoryStore,
    holds: AtomicBool,
    held: Notify,
    let_go: Notify,
    loses_answers: AtomicBool,
    late: std::sync::Mutex<Vec<Result<(), StateErrorKind>>>,
}

impl HoldingStore {
    fn new(inner: MemoryStore) -> Arc<Self> {
        Arc::new(Self {
            inner,
            holds: AtomicBool::new(false),
            held: Notify::new(),
            let_go: Notify::new(),
            loses_answers: AtomicBool::new(false),
            late: std::sync::Mutex::default(),
        })
    }
}

#[async_trait]
impl StateStore for HoldingStore {
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
    async fn commit(&self, commits: &[Commit]) -> Vec<Result<(), StateError>> {
        if self.holds.swap(false, Ordering::SeqCst) {
            self.held.notify_one();
            self.let_go.notified().await;
            let answers = self.inner.commit(commits).await;
            let kinds = answers
                .iter()
                .map(|answer| answer.as_ref().copied().map_err(StateError::kind));
            self.late.lock().unwrap().extend(kinds);
            return answers;
        }
        let answers = self.inner.commit(commits).await;
        if self.loses_answers.swap(false, Ordering::SeqCst) {
            return answers
                .iter()
                .map(|_| Err(StateError::unavailable("the answer was lost")))
                .collect();
        }
        answers
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
        collection: &CollectionName,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<String>, StateError> {
        self.inner.dead_letters(collection, after, limit).await
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

    async fn purge_dead_letters(
        &self,
        name: &CollectionName,
        selection: &LetterSelection,
    ) -> Result<u64, StateError> {
        self.inner.purge_dead_letters(name, selection).await
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

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_a_commit_is_no_error_and_no_duplicate() {
    let world = World::new();
    let store = HoldingStore::new(world.store.clone());
    let sink = RecordingSink::new();
    let running = world.start_on(
        store.clone(),
        Settings::default(),
        vec![collection("c", vec![subscription("d", sink.clone(), 5)])],
    );
    for value in 0..100 {
        store.loses_answers.store(value % 7 == 0, Ordering::SeqCst);
        world.watcher.change("c", "k", RecordType::Modify, value);
        sink.wait_accepted(usize::try_from(value).unwrap() + 1).await;
    }
    running.stop().await;
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    running.until("d", |status| status.lag_seconds == Some(0.0)).await;
    running.stop().await;
    assert_eq!(values_of(&sink, "k"), (0..100).collect::<Vec<u64>>());
}

/// The commit of a subscription that was given up lands after the next run of it began: it must not be taken for the next
/// run's commit of the same number.
#[tokio::test(start_paused = true)]
async fn a_commit_that_lands_after_its_subscription_started_anew_is_fenced() {
    let world = World::new();
    let store = HoldingStore::new(world.store.clone());
    let sink = RecordingSink::new();
    let settings = Settings {
        shutdown_timeout: Duration::from_secs(1),
        ..Settings::default()
    };
    let first = collection("c", vec![subscription("d", sink.clone(), 5)]);
    let running = world.start_on(store.clone(), settings, vec![first]);
    world.watcher.change("c", "k", RecordType::Insert, 0);
    sink.wait_accepted(1).await;
    running.until("d", |status| status.lag_seconds == Some(0.0)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    store.holds.store(true, Ordering::SeqCst);
    world.watcher.change("c", "k", RecordType::Modify, 1);
    store.held.notified().await;
    // The subscription is told to start anew, and gives the held commit up.
    let changed = subscription("d", sink.clone(), 5).with_revision(1);
    running
        .handle
        .set_collections(vec![collection("c", vec![changed])])
        .unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    world.watcher.change("c", "k", RecordType::Modify, 2);
    tokio::time::sleep(Duration::from_secs(10)).await;
    store.let_go.notify_one();
    running
        .until("d", |status| {
            status.lag_seconds == Some(0.0) && status.delivered >= 4
        })
        .await;
    running.stop().await;
    assert_eq!(*store.late.lock().unwrap(), [Err(StateErrorKind::Fenced)]);
    // What was delivered under the commit that was given up came again, in order; nothing else did.
    assert_eq!(values_of(&sink, "k"), [0, 1, 1, 2]);
}
