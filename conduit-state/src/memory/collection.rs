//! What is kept of one collection.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use conduit_core::{
    Commit, DestinationId, EventId, Lease, ParkedRecord, ProcessedId, QueueLengths, Record, RecordKey,
    RecordType, RetryId, Sequence, StateError, SubscriptionStart, SubscriptionState, WaitingRecord,
    WaitingRef, WallTime,
};

use super::dead_letters::DeadLetters;
use crate::encoding::Progress;
use crate::refusal;
use crate::rules::{self, LeaseRow, Verdict};

/// How long a processed id is remembered.
const PROCESSED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

type ProcessedKey = (DestinationId, RecordType, WallTime, EventId);

/// A collection's lease, subscriptions, dead letters and processed ids.
#[derive(Clone, Debug, Default)]
pub(super) struct Collection {
    pub(super) lease: Option<LeaseRow>,
    subscriptions: BTreeMap<DestinationId, Subscription>,
    pub(super) dead: DeadLetters,
    /// The generation of a processed id, and when it is forgotten.
    processed: HashMap<ProcessedKey, (u64, WallTime)>,
    /// The processed ids with the moments they are forgotten at, which grow.
    expiries: VecDeque<(WallTime, ProcessedKey)>,
}

#[derive(Clone, Debug)]
struct Subscription {
    progress: Progress,
    ahead: BTreeSet<Sequence>,
    waiting: BTreeMap<RetryId, Waiting>,
}

#[derive(Clone, Debug)]
struct Waiting {
    record: Arc<Record>,
    key: RecordKey,
    due: Option<WallTime>,
    attempts: u32,
    first_attempt: Option<WallTime>,
}

impl Collection {
    /// Returns the state of a subscription, beginning it if there is none of this life, and moved if it is asked for.
    pub(super) fn load(&mut self, lease: &Lease, wanted: &SubscriptionStart) -> SubscriptionState {
        let destination = &wanted.destination;
        let known = self
            .subscriptions
            .get(destination)
            .is_some_and(|state| state.progress.life == wanted.life);
        if !known {
            self.subscriptions.insert(
                destination.clone(),
                Subscription::new(Progress::begin(wanted, lease)),
            );
        }
        if let Some(subscription) = self.subscriptions.get_mut(destination) {
            subscription.rewind(wanted, lease);
        }
        let subscription = &self.subscriptions[destination];
        SubscriptionState {
            destination: destination.clone(),
            position: subscription.progress.position.clone(),
            is_new: !known,
            last_commit: subscription.progress.commit,
            settled_ahead: subscription.ahead.iter().cloned().collect(),
            waiting: subscription
                .waiting
                .iter()
                .map(|(id, waiting)| waiting.reference(*id))
                .collect(),
            poisoned: self.dead.poisoned(destination),
            dead_letters: self.dead.count(destination),
            collection_dead_letters: self.dead.total(),
            generation: subscription.progress.generation,
        }
    }

    /// Returns the subscriptions that have state but are not wanted.
    pub(super) fn others(&self, wanted: &[SubscriptionStart]) -> Vec<DestinationId> {
        let is_wanted = |id: &DestinationId| wanted.iter().any(|wanted| wanted.destination == *id);
        self.subscriptions
            .keys()
            .filter(|id| !is_wanted(id))
            .cloned()
            .collect()
    }

    /// Applies a commit, or says why not and changes nothing.
    pub(super) fn commit(&mut self, commit: &Commit, now: WallTime) -> Result<(), StateError> {
        let subscription = self.subscriptions.get_mut(&commit.subscription.destination);
        let verdict = rules::judge(
            commit,
            self.lease.as_ref(),
            subscription.as_ref().map(|state| &state.progress),
        )?;
        let (Verdict::Apply, Some(subscription)) = (verdict, subscription) else {
            return Ok(());
        };
        if !subscription.knows_what_is_rescheduled(&commit.parked) {
            return Err(refusal::does_not_wait(commit));
        }
        if !self.dead.has_what_is_redriven(commit) {
            return Err(refusal::no_such_letter(commit));
        }
        subscription.apply(commit);
        let generation = subscription.progress.generation;
        let destination = &commit.subscription.destination;
        self.dead.apply(commit);
        self.forget_expired(now);
        let expiry = now.after(PROCESSED_FOR);
        for id in &commit.processed {
            let key = processed_key(destination, id);
            self.processed.insert(key.clone(), (generation, expiry));
            self.expiries.push_back((expiry, key));
        }
        Ok(())
    }

    /// Returns a waiting record with its contents.
    pub(super) fn waiting(&self, destination: &DestinationId, id: RetryId) -> Option<WaitingRecord> {
        let waiting = self.subscriptions.get(destination)?.waiting.get(&id)?;
        Some(WaitingRecord {
            id,
            record: waiting.record.clone(),
            attempts: waiting.attempts,
            first_attempt: waiting.first_attempt,
        })
    }

    /// Whether the record was delivered in the subscription's present generation, within the last 24 hours.
    pub(super) fn is_processed(
        &mut self,
        destination: &DestinationId,
        id: &ProcessedId,
        now: WallTime,
    ) -> bool {
        self.forget_expired(now);
        let generation = self
            .subscriptions
            .get(destination)
            .map_or(0, |state| state.progress.generation);
        let found = self.processed.get(&processed_key(destination, id));
        found.is_some_and(|(written_in, _)| *written_in == generation)
    }

    /// How much of a subscription is undelivered.
    pub(super) fn lengths(&self, destination: &DestinationId) -> QueueLengths {
        let waiting = self
            .subscriptions
            .get(destination)
            .map_or(0, |state| state.waiting.len());
        QueueLengths {
            waiting: u64::try_from(waiting).unwrap_or(u64::MAX),
            dead: self.dead.count(destination),
        }
    }

    /// Drops a subscription's state but for its dead letters.
    pub(super) fn forget(&mut self, destination: &DestinationId) {
        self.subscriptions.remove(destination);
    }

    fn forget_expired(&mut self, now: WallTime) {
        while self.expiries.front().is_some_and(|(expiry, _)| *expiry <= now) {
            let Some((_, key)) = self.expiries.pop_front() else {
                break;
            };
            // An id that was written again is forgotten at its later moment.
            if self.processed.get(&key).is_some_and(|(_, expiry)| *expiry <= now) {
                self.processed.remove(&key);
            }
        }
    }
}

impl Subscription {
    fn new(progress: Progress) -> Self {
        Self {
            progress,
            ahead: BTreeSet::new(),
            waiting: BTreeMap::new(),
        }
    }

    fn rewind(&mut self, wanted: &SubscriptionStart, lease: &Lease) {
        if self.progress.rewind(wanted, lease) {
            self.ahead.clear();
            self.waiting
                .retain(|_, waiting| waiting.record.time() < wanted.rewind.to);
        }
    }

    fn knows_what_is_rescheduled(&self, parked: &[ParkedRecord]) -> bool {
        let mut added = BTreeSet::new();
        parked.iter().all(|parked| match parked.record {
            Some(_) => {
                added.insert(parked.id);
                true
            }
            None => added.contains(&parked.id) || self.waiting.contains_key(&parked.id),
        })
    }

    fn apply(&mut self, commit: &Commit) {
        self.ahead.extend(commit.settled_ahead.iter().cloned());
        if let Some(advance) = &commit.advance {
            self.progress.position = advance.to.clone();
            if let Some(token) = advance.to.token() {
                self.ahead.retain(|sequence| sequence.token() > token);
            }
        }
        for parked in &commit.parked {
            self.park(parked);
        }
        for id in &commit.unparked {
            self.waiting.remove(id);
        }
        self.progress.commit = commit.number;
        self.progress.epoch = commit.lease.epoch;
        self.progress.worker = commit.lease.worker.clone();
    }

    fn park(&mut self, parked: &ParkedRecord) {
        let known = || self.waiting.get(&parked.id).map(|known| known.record.clone());
        if let Some(record) = parked.record.clone().or_else(known) {
            let (attempts, first_attempt) = (parked.attempts, parked.first_attempt);
            let waiting = Waiting {
                record,
                key: parked.key,
                due: parked.due,
                attempts,
                first_attempt,
            };
            self.waiting.insert(parked.id, waiting);
        }
    }
}

impl Waiting {
    fn reference(&self, id: RetryId) -> WaitingRef {
        WaitingRef {
            id,
            key: self.key,
            due: self.due,
            size: self.record.size(),
            timestamp: self.record.timestamp(),
        }
    }
}

fn processed_key(destination: &DestinationId, id: &ProcessedId) -> ProcessedKey {
    (
        destination.clone(),
        id.record_type,
        id.timestamp,
        id.event_id.clone(),
    )
}
