//! The unit of atomicity: what one commit changes.

use std::sync::Arc;

use super::{Lease, RetryId, SinkError};
use crate::value::{EventId, Position, Record, RecordKey, RecordType, Sequence, SubscriptionId, WallTime};

/// A move of a subscription's position, from where it must be to where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advance {
    /// The stored position that this move starts from.
    pub from: Position,
    /// The new position, not before `from`.
    pub to: Position,
}

/// The idempotency key of a record at a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessedId {
    /// What the record did.
    pub record_type: RecordType,
    /// When the change happened.
    pub timestamp: WallTime,
    /// The record's name.
    pub event_id: EventId,
}

impl ProcessedId {
    /// The key of `record`.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        Self {
            record_type: record.record_type(),
            timestamp: record.timestamp(),
            event_id: record.event_id().clone(),
        }
    }
}

/// A record on its way into the retry queue, or back into it after another attempt.
#[derive(Clone, Debug)]
pub struct ParkedRecord {
    /// Its id, growing within the subscription: records of one key wait in the order of their ids.
    pub id: RetryId,
    /// The record; `None` if it waits already and only its attempts change.
    pub record: Option<Arc<Record>>,
    /// The key that orders it.
    pub key: RecordKey,
    /// When it is due; `None` while it waits behind an older record of its key.
    pub due: Option<WallTime>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was first tried.
    pub first_attempt: Option<WallTime>,
    /// When it was last tried.
    pub last_attempt: Option<WallTime>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
}

/// A record that was given up.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The record.
    pub record: Arc<Record>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was first tried.
    pub first_attempt: WallTime,
    /// When it was last tried.
    pub last_attempt: WallTime,
    /// Why the last attempt failed.
    pub last_error: String,
    /// Whether a newer record of its key was acknowledged already. One that is not stale poisons its key.
    pub stale: bool,
}

impl DeadLetter {
    /// A record given up at its first attempt.
    #[must_use]
    pub fn at_once(record: Arc<Record>, at: WallTime, error: &SinkError) -> Self {
        Self {
            record,
            attempts: 1,
            first_attempt: at,
            last_attempt: at,
            last_error: error.report(),
            stale: false,
        }
    }
}

/// A record that got through of a key that has dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cured {
    /// The key.
    pub key: RecordKey,
    /// The record's place: the subscription's dead letters of the key before it are stale from now on.
    pub sequence: Sequence,
}

/// One atomic change of one subscription's state. All of it is applied or nothing.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Whose state changes.
    pub subscription: SubscriptionId,
    /// The lease that allows it.
    pub lease: Lease,
    /// One more than the number of the last commit. A repeat of the last one is answered with success and changes
    /// nothing, so that a lost answer does no harm.
    pub number: u64,
    /// The move of the position, if it moves.
    pub advance: Option<Advance>,
    /// Records settled ahead of the new position: not to be delivered again after a crash.
    pub settled_ahead: Vec<Sequence>,
    /// Idempotency keys of what was delivered.
    pub processed: Vec<ProcessedId>,
    /// Records that begin to wait, or wait on after another attempt.
    pub parked: Vec<ParkedRecord>,
    /// Waiting records that leave the retry queue.
    pub unparked: Vec<RetryId>,
    /// Records given up.
    pub dead: Vec<DeadLetter>,
    /// Records that got through of keys with dead letters; applied after `dead`.
    pub cured: Vec<Cured>,
    /// Ids of this subscription's dead letters that leave their queue, since their records are among `parked`.
    pub redriven: Vec<u64>,
}

impl Commit {
    /// An empty commit.
    #[must_use]
    pub fn new(subscription: SubscriptionId, lease: Lease, number: u64) -> Self {
        Self {
            subscription,
            lease,
            number,
            advance: None,
            settled_ahead: Vec::new(),
            processed: Vec::new(),
            parked: Vec::new(),
            unparked: Vec::new(),
            dead: Vec::new(),
            cured: Vec::new(),
            redriven: Vec::new(),
        }
    }
}
