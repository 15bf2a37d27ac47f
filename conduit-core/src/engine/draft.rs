//! Collects what the next commit has to say.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::contract::{
    Advance, Commit, Cured, DeadLetter, Lease, ParkedRecord, ProcessedId, RetryId, SinkError,
};
use crate::value::{Position, Record, Sequence, SubscriptionId, WallTime};

/// Everything that was settled since the last commit was sent.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    processed: Vec<ProcessedId>,
    parked: BTreeMap<RetryId, ParkedRecord>,
    unparked: Vec<RetryId>,
    dead: Vec<DeadLetter>,
    cured: Vec<Cured>,
    redriven: Vec<u64>,
}

/// What is known of a waiting record's attempts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Attempts {
    pub(crate) count: u32,
    pub(crate) first: Option<WallTime>,
}

impl Draft {
    pub(crate) fn is_empty(&self) -> bool {
        self.processed.is_empty()
            && self.parked.is_empty()
            && self.unparked.is_empty()
            && self.dead.is_empty()
            && self.cured.is_empty()
            && self.redriven.is_empty()
    }

    /// How many records the draft speaks of.
    pub(crate) fn len(&self) -> usize {
        self.processed.len() + self.parked.len() + self.unparked.len() + self.dead.len()
    }

    /// Whether the draft says something of a waiting record that the store does not know yet.
    pub(crate) fn has_parked(&self, id: RetryId) -> bool {
        self.parked.contains_key(&id)
    }

    pub(crate) fn delivered(&mut self, record: &Record, cured: bool) {
        self.processed.push(ProcessedId::of(record));
        if cured {
            self.cured.push(Cured {
                key: record.key(),
                sequence: record.sequence().clone(),
            });
        }
    }

    /// A record that begins to wait behind another, or comes back from the dead letters.
    pub(crate) fn park(&mut self, id: RetryId, record: &Arc<Record>) {
        self.parked.insert(
            id,
            ParkedRecord {
                id,
                key: record.key(),
                record: Some(Arc::clone(record)),
                due: None,
                attempts: 0,
                first_attempt: None,
                last_attempt: None,
                last_error: None,
            },
        );
    }

    /// A record that begins to wait after a failure, which was an attempt or not.
    pub(crate) fn park_failed(
        &mut self,
        id: RetryId,
        record: &Arc<Record>,
        attempts: Attempts,
        error: &SinkError,
        due: WallTime,
    ) {
        self.park(id, record);
        if let Some(parked) = self.parked.get_mut(&id) {
            parked.due = Some(due);
            parked.attempts = attempts.count;
            parked.first_attempt = attempts.first;
            parked.last_attempt = attempts.first;
            parked.last_error = Some(error.report());
        }
    }

    /// A dead letter that leaves its queue.
    pub(crate) fn redrive(&mut self, letter: u64) {
        self.redriven.push(letter);
    }

    /// Whether it says something of dead letters that the store does not know yet.
    pub(crate) fn touches_letters(&self) -> bool {
        !self.dead.is_empty() || !self.cured.is_empty() || !self.redriven.is_empty()
    }

    /// A waiting record that failed again.
    pub(crate) fn reschedule(
        &mut self,
        id: RetryId,
        record: &Record,
        attempts: Attempts,
        error: &SinkError,
        at: WallTime,
        due: WallTime,
    ) {
        // What is not in the store yet keeps its contents in this draft.
        let contents = self.parked.remove(&id).and_then(|parked| parked.record);
        self.parked.insert(
            id,
            ParkedRecord {
                id,
                key: record.key(),
                record: contents,
                due: Some(due),
                attempts: attempts.count,
                first_attempt: attempts.first,
                last_attempt: Some(at),
                last_error: Some(error.report()),
            },
        );
    }

    /// A waiting record that leaves the queue.
    pub(crate) fn unpark(&mut self, id: RetryId) {
        // One that never came to the store need not be taken out of it.
        let is_new = self
            .parked
            .remove(&id)
            .is_some_and(|parked| parked.record.is_some());
        if !is_new {
            self.unparked.push(id);
        }
    }

    pub(crate) fn dead(&mut self, letter: DeadLetter) {
        self.dead.push(letter);
    }

    /// Makes the commit of everything collected, and begins anew.
    pub(crate) fn take(
        &mut self,
        subscription: &SubscriptionId,
        lease: &Lease,
        number: u64,
        positions: (&Position, &Position),
        settled_ahead: Vec<Sequence>,
    ) -> Commit {
        let draft = std::mem::take(self);
        let (from, to) = positions;
        let mut commit = Commit::new(subscription.clone(), lease.clone(), number);
        commit.advance = (from < to).then(|| Advance {
            from: from.clone(),
            to: to.clone(),
        });
        commit.settled_ahead = settled_ahead;
        commit.processed = draft.processed;
        commit.parked = draft.parked.into_values().collect();
        commit.unparked = draft.unparked;
        commit.dead = draft.dead;
        commit.cured = draft.cured;
        commit.redriven = draft.redriven;
        commit
    }
}
