//! A store under test, and the steps that clauses are told in.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::{
    Advance, CollectionName, Commit, Cured, DeadLetter, Lease, LetterSelection, OpenRequest, Opened,
    Position, Record, RecordKey, RetryId, Rewind, Sequence, StateError, StateErrorKind, StateStore,
    StoredLetter, SubscriptionId, SubscriptionStart, SubscriptionState, WallTime, WorkerId,
};

use super::StoreHarness;
use super::samples::{at, collection, destination, token};

/// A store under test. Unless told otherwise, steps are about the subscription of `orders` to `http-1`, which
/// starts at `at(0)`.
#[derive(Debug)]
pub struct Scene<H: StoreHarness> {
    harness: H,
    guard: H::Guard,
    store: Option<Arc<dyn StateStore>>,
}

impl<H: StoreHarness> Scene<H> {
    /// Creates the store.
    pub(super) async fn set(harness: H) -> Self {
        let (guard, store) = harness.create().await;
        Self {
            harness,
            guard,
            store: Some(store),
        }
    }

    /// The store.
    pub(super) fn store(&self) -> &Arc<dyn StateStore> {
        self.store.as_ref().expect("the store is open")
    }

    /// Opens the same state again, as the next process would.
    pub(super) async fn reopen(&mut self) {
        let store = self.store.take().expect("the store is open");
        self.store = Some(self.harness.reopen(&self.guard, store).await);
    }

    pub(super) async fn pass_time(&self, time: Duration) {
        self.harness.pass_time(&self.guard, time).await;
    }

    pub(super) async fn open(&self, request: &OpenRequest) -> Opened {
        self.store().open(request).await.expect("open answers")
    }

    /// Opens and expects the lease.
    pub(super) async fn take_with(&self, request: &OpenRequest) -> (Lease, Vec<SubscriptionState>) {
        match self.open(request).await {
            Opened::Taken { lease, states, .. } => (lease, states),
            Opened::Held { by, remaining } => panic!("the lease is held by {by} for {remaining:?}"),
        }
    }

    /// Takes the lease of `orders` and loads `http-1`.
    pub(super) async fn take(&self, worker: &str) -> (Lease, SubscriptionState) {
        let (lease, mut states) = self.take_with(&request(worker)).await;
        (lease, states.pop().expect("one state for one subscription"))
    }

    /// The state of `http-1`.
    pub(super) async fn state(&self, lease: &Lease) -> SubscriptionState {
        self.state_of(lease, "http-1").await
    }

    pub(super) async fn state_of(&self, lease: &Lease, id: &str) -> SubscriptionState {
        self.load(lease, start(id)).await
    }

    /// Commits and expects success.
    pub(super) async fn commit(&self, commit: &Commit) {
        self.try_commit(commit).await.expect("the commit is applied");
    }

    pub(super) async fn try_commit(&self, commit: &Commit) -> Result<(), StateError> {
        let mut answers = self.store().commit(std::slice::from_ref(commit)).await;
        assert_eq!(answers.len(), 1, "one answer for one commit");
        answers.remove(0)
    }

    /// Commits and expects to be refused with nothing changed.
    pub(super) async fn refused(&self, commit: &Commit, holder: &Lease, kind: StateErrorKind) {
        let before = self.everything(holder).await;
        let error = self.try_commit(commit).await.expect_err("the commit is refused");
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(
            self.everything(holder).await,
            before,
            "a refused commit changed something"
        );
    }

    /// All that the store tells of `orders` and `http-1`, as text to compare.
    pub(super) async fn everything(&self, lease: &Lease) -> String {
        let state = self.state(lease).await;
        let ids: Vec<RetryId> = state.waiting.iter().map(|waiting| waiting.id).collect();
        let contents = self
            .store()
            .waiting(&orders(), &ids)
            .await
            .expect("waiting answers");
        let mut text = format!("{state:?}\n");
        for waiting in contents {
            let waiting = waiting.expect("what waits has contents");
            let json = String::from_utf8_lossy(waiting.record.json()).into_owned();
            writeln!(
                text,
                "{:?} {:?} {} {json}",
                waiting.id, waiting.first_attempt, waiting.attempts
            )
            .unwrap();
        }
        for letter in self.dead_letters().await {
            writeln!(text, "{letter}").unwrap();
        }
        text
    }

    /// The state of one subscription as it is asked for.
    pub(super) async fn load(&self, lease: &Lease, start: SubscriptionStart) -> SubscriptionState {
        let mut states = self.store().load(lease, &[start]).await.expect("load answers");
        states.pop().expect("one state for one subscription")
    }

    /// All letters of `orders` that are selected.
    pub(super) async fn letters(&self, selection: &LetterSelection) -> Vec<StoredLetter> {
        self.store()
            .letters(&collection("orders"), selection, None, 10_000)
            .await
            .expect("letters are answered")
    }

    /// Drops letters of `orders` and returns how many there were.
    pub(super) async fn purge(&self, selection: &LetterSelection) -> u64 {
        self.store()
            .purge_dead_letters(&collection("orders"), selection)
            .await
            .expect("the purge is answered")
    }

    pub(super) async fn dead_letters(&self) -> Vec<String> {
        self.store()
            .dead_letters(&collection("orders"), None, 1000)
            .await
            .expect("dead letters are answered")
    }
}

/// The subscription that clauses are about.
pub(super) fn orders() -> SubscriptionId {
    subscription("orders", "http-1")
}

pub(super) fn subscription(name: &str, id: &str) -> SubscriptionId {
    SubscriptionId {
        collection: collection(name),
        destination: destination(id),
    }
}

/// A subscription that starts at `at(0)`.
pub(super) fn start(id: &str) -> SubscriptionStart {
    start_at(id, 0)
}

/// A subscription whose life began with its start.
pub(super) fn start_at(id: &str, n: u32) -> SubscriptionStart {
    SubscriptionStart {
        destination: destination(id),
        start: at(n),
        life: at(n),
        rewind: Rewind::default(),
    }
}

/// `http-1`, moved to `at(n)`.
pub(super) fn rewound(generation: u64, n: u32) -> SubscriptionStart {
    let to = at(n);
    SubscriptionStart {
        rewind: Rewind { generation, to },
        ..start("http-1")
    }
}

/// A request for the lease of `orders` for a minute, and for `http-1`.
pub(super) fn request(worker: &str) -> OpenRequest {
    request_of(&collection("orders"), worker)
}

pub(super) fn request_of(collection: &CollectionName, worker: &str) -> OpenRequest {
    OpenRequest {
        collection: collection.clone(),
        worker: WorkerId::new(worker),
        lease_time: Duration::from_secs(60),
        evict: None,
        last_epoch: 0,
        subscriptions: vec![start("http-1")],
    }
}

/// An empty commit of `http-1`.
pub(super) fn commit(lease: &Lease, number: u64) -> Commit {
    Commit::new(
        SubscriptionId {
            collection: lease.collection.clone(),
            destination: destination("http-1"),
        },
        lease.clone(),
        number,
    )
}

/// A commit of `http-1` that moves the position.
pub(super) fn advance(lease: &Lease, number: u64, from: &Position, to: &Position) -> Commit {
    let mut commit = commit(lease, number);
    commit.advance = Some(Advance {
        from: from.clone(),
        to: to.clone(),
    });
    commit
}

/// `record` given up after six attempts.
pub(super) fn dead(record: &Arc<Record>) -> DeadLetter {
    DeadLetter {
        record: record.clone(),
        attempts: 6,
        first_attempt: WallTime::from_millis(1_700_000_000_123),
        last_attempt: WallTime::from_millis(1_700_000_031_000),
        last_error: "POST answered 500: \"no\"\n".into(),
        stale: false,
    }
}

/// Says that the `n`th change, of the document `key`, got through.
pub(super) fn cured(n: u32, key: &str) -> Cured {
    Cured {
        key: RecordKey::of(key.as_bytes()),
        sequence: Sequence::whole(&token(n)),
    }
}
