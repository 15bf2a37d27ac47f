//! Keeps everything about subscriptions that must outlive the process.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Commit, ProcessedId, StateError};
use crate::value::{
    ClusterTime, CollectionName, DestinationId, Position, Record, RecordKey, Sequence, SubscriptionId,
    WallTime, WorkerId,
};

/// The right to work on one collection, until another worker takes over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The collection.
    pub collection: CollectionName,
    /// Who holds it.
    pub worker: WorkerId,
    /// Grows with every take-over and never goes back. A commit with any other epoch changes nothing.
    pub epoch: u64,
}

/// The id of a waiting record, growing within its subscription.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RetryId(pub u64);

/// A subscription to be loaded, and where it starts if the store has no state of it.
#[derive(Clone, Debug)]
pub struct SubscriptionStart {
    /// The destination.
    pub destination: DestinationId,
    /// Where it starts if the store has no state of it.
    pub start: ClusterTime,
    /// Tells one life of a subscription from the next: state that was kept under another life is dropped (but for dead
    /// letters), and the subscription begins anew at `start`. Stored with the position.
    pub life: ClusterTime,
    /// How often an operator moved the position; see [`Rewind`].
    pub rewind: Rewind,
}

/// An operator's move of a position, backward or forward.
///
/// State that was kept under a smaller generation is moved while it is loaded: the position to before all changes of
/// `to`, with nothing settled ahead; records that wait for changes at or after `to` are dropped, earlier ones kept; the
/// number of the last commit grows by one, so that a commit from before is refused; the generation is stored, and
/// processed ids of smaller ones count for nothing. State that begins takes over the generation and is not moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rewind {
    /// Grows with every move; 0 if there was none.
    pub generation: u64,
    /// Where to.
    pub to: ClusterTime,
}

/// A request for a collection's lease and the state of its subscriptions.
#[derive(Clone, Debug)]
pub struct OpenRequest {
    /// The collection.
    pub collection: CollectionName,
    /// Who asks.
    pub worker: WorkerId,
    /// How long the lease lasts without renewal.
    pub lease_time: Duration,
    /// A holder that is known to be gone: its lease is taken over though it has not expired.
    pub evict: Option<WorkerId>,
    /// The newest epoch that the worker had; 0 if none. The new one is greater, also when the store was put back to a state
    /// that knows nothing of it: a commit from before that is still on its way must not count under the new lease.
    pub last_epoch: u64,
    /// The subscriptions to load.
    pub subscriptions: Vec<SubscriptionStart>,
}

/// The answer to [`StateStore::open`].
#[derive(Debug)]
pub enum Opened {
    /// The lease is taken, older ones are fenced.
    Taken {
        /// The lease.
        lease: Lease,
        /// The states, in the order of the request.
        states: Vec<SubscriptionState>,
        /// Subscriptions of the collection that have a position in the store but are not in the request.
        others: Vec<DestinationId>,
    },
    /// Another worker holds the lease.
    Held {
        /// Who holds it.
        by: WorkerId,
        /// How long until it expires if it is not renewed.
        remaining: Duration,
    },
}

/// A waiting record without its contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingRef {
    /// Its id.
    pub id: RetryId,
    /// Its key.
    pub key: RecordKey,
    /// When it is due; `None` while it waits behind another.
    pub due: Option<WallTime>,
    /// Its size in bytes.
    pub size: usize,
    /// When its change happened.
    pub timestamp: WallTime,
}

impl WaitingRef {
    /// What is known without the contents of a record that begins to wait.
    #[must_use]
    pub fn of(id: RetryId, record: &Record, due: Option<WallTime>) -> Self {
        Self {
            id,
            key: record.key(),
            due,
            size: record.size(),
            timestamp: record.timestamp(),
        }
    }
}

/// A key with dead letters that are not stale: its next records get one attempt each, until one gets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoisonedKey {
    /// The key.
    pub key: RecordKey,
    /// How many dead letters of the key are not stale.
    pub letters: u64,
    /// The source's logical time of the newest of them.
    pub newest: ClusterTime,
}

/// Which dead letters of a collection are meant: those that fit every part that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterSelection {
    /// Of this destination only.
    pub destination: Option<DestinationId>,
    /// With these ids only.
    pub ids: Option<Vec<u64>>,
}

/// A dead letter to be sent again.
#[derive(Clone, Debug)]
pub struct StoredLetter {
    /// Its id.
    pub id: u64,
    /// The destination that did not take it.
    pub destination: DestinationId,
    /// The record.
    pub record: Arc<Record>,
    /// Whether a newer record of its key was acknowledged since.
    pub stale: bool,
}

/// A waiting record with its contents.
#[derive(Clone, Debug)]
pub struct WaitingRecord {
    /// Its id.
    pub id: RetryId,
    /// The record.
    pub record: Arc<Record>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was first tried; `None` if it only waited behind another so far.
    pub first_attempt: Option<WallTime>,
}

/// What the store knows of a subscription.
#[derive(Clone, Debug)]
pub struct SubscriptionState {
    /// Whose state it is.
    pub destination: DestinationId,
    /// Where to go on.
    pub position: Position,
    /// Whether the store had no position and `position` is the start.
    pub is_new: bool,
    /// The number of the last commit.
    pub last_commit: u64,
    /// Records after the position that are settled already.
    pub settled_ahead: Vec<Sequence>,
    /// The records that wait, by growing id.
    pub waiting: Vec<WaitingRef>,
    /// Keys with dead letters that are not stale.
    pub poisoned: Vec<PoisonedKey>,
    /// How many dead letters the subscription has.
    pub dead_letters: u64,
    /// How many dead letters the collection has, those of removed destinations too.
    pub collection_dead_letters: u64,
    /// The generation of the position; see [`Rewind`].
    pub generation: u64,
}

/// How much of a subscription is undelivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueLengths {
    /// Records that wait.
    pub waiting: u64,
    /// Dead letters.
    pub dead: u64,
}

/// Keeps positions, waiting records, dead letters, idempotency keys and leases.
///
/// Everything about one subscription changes in one atomic [`commit`](Self::commit), so that a crash finds the state
/// before or after it and nothing between. Losing an answer means that the outcome is unknown: `Unavailable`.
#[async_trait]
pub trait StateStore: fmt::Debug + Send + Sync + 'static {
    /// Takes a collection's lease if it is free, expired, held by the same worker or by the one to evict, with a new
    /// epoch, greater than every one before and than the worker's last; and loads the subscriptions' states in the same trip. Deadlines are judged by the store's clock. A start
    /// position that the store did not have is stored before the answer.
    ///
    /// # Errors
    /// `Unavailable` if the outcome is unknown (calling again is safe), `Corrupt` if state cannot be read.
    async fn open(&self, request: &OpenRequest) -> Result<Opened, StateError>;

    /// Loads states of subscriptions under a lease that is held already, as [`open`](Self::open) does.
    ///
    /// # Errors
    /// `Fenced` if the lease is not held any more; else as [`open`](Self::open).
    async fn load(
        &self,
        lease: &Lease,
        subscriptions: &[SubscriptionStart],
    ) -> Result<Vec<SubscriptionState>, StateError>;

    /// Prolongs leases to `lease_time` from now; an answer for each, in order. A lease that expired but that nobody
    /// took over is prolonged too.
    ///
    /// # Errors
    /// For each: `Fenced` if the lease is not held any more. For all: `Unavailable`.
    async fn renew(
        &self,
        leases: &[Lease],
        lease_time: Duration,
    ) -> Result<Vec<Result<(), StateError>>, StateError>;

    /// Gives a lease back, so that another worker can take it at once. The epoch stays.
    ///
    /// # Errors
    /// `Unavailable`; a lease that is not held any more is no error.
    async fn release(&self, lease: &Lease) -> Result<(), StateError>;

    /// Applies commits: each atomic, each answered on its own, in order, all in as few trips as the store allows.
    ///
    /// # Errors
    /// For each, with nothing of it changed: `Fenced` if the lease is not held or the store has no such state,
    /// `Conflict` if the stored state is not the one that the commit starts from (its number does not follow the
    /// last one, the position is not `advance.from`, a record without contents is to wait on that does not wait, or a
    /// redriven dead letter is not there),
    /// `Invalid` if the position would move back or the lease is of another collection, `Unavailable` if the outcome is
    /// unknown: the same commit is sent again.
    async fn commit(&self, commits: &[Commit]) -> Vec<Result<(), StateError>>;

    /// Returns the contents of waiting records, `None` for one that does not wait (any more).
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn waiting(
        &self,
        subscription: &SubscriptionId,
        ids: &[RetryId],
    ) -> Result<Vec<Option<WaitingRecord>>, StateError>;

    /// Tells of each id whether it is recorded as processed. Asked only after a start without a stored position.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn processed(
        &self,
        subscription: &SubscriptionId,
        ids: &[ProcessedId],
    ) -> Result<Vec<bool>, StateError>;

    /// Returns dead letters of a collection, oldest first, from the one after `after`, as JSON objects with the fields
    /// `id`, `destination`, `record`, `attempts`, `first_attempt`, `last_attempt`, `last_error`, `stale`.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn dead_letters(
        &self,
        collection: &CollectionName,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<String>, StateError>;

    /// Returns how many records of each subscription wait and are dead, in order; zeros for one without state.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn lengths(&self, subscriptions: &[SubscriptionId]) -> Result<Vec<QueueLengths>, StateError>;

    /// Returns dead letters with their records, oldest first, from the one after `after`: of the selection, at most
    /// `limit`. Ids that are not there are passed over.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn letters(
        &self,
        collection: &CollectionName,
        selection: &LetterSelection,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<StoredLetter>, StateError>;

    /// Drops dead letters and returns how many there were. A key whose last letter that is not stale goes is not poisoned
    /// any more.
    ///
    /// # Errors
    /// `Unavailable` (calling again is safe).
    async fn purge_dead_letters(
        &self,
        collection: &CollectionName,
        selection: &LetterSelection,
    ) -> Result<u64, StateError>;

    /// Drops the state of one subscription; its dead letters stay. Whoever still works on it is fenced.
    ///
    /// # Errors
    /// `Unavailable` (calling again is safe).
    async fn forget(&self, subscription: &SubscriptionId) -> Result<(), StateError>;

    /// Drops all state of a collection: dead letters, lease and processed ids too. Whoever still works on it is fenced. All but
    /// the processed ids go at once; these follow, and a call cut short leaves some of them to a repeat or to their age.
    ///
    /// # Errors
    /// `Unavailable` (calling again is safe).
    async fn forget_collection(&self, collection: &CollectionName) -> Result<(), StateError>;

    /// Asks the store for a sign of life.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn ping(&self) -> Result<(), StateError>;
}
