//! Leases and subscriptions: how they begin, how a commit changes them, how they end.

use redb::ReadableTable;

use conduit_core::{
    ClusterTime, Commit, DestinationId, Lease, OpenRequest, Opened, RetryId, Sequence, StateError,
    SubscriptionId, SubscriptionStart, SubscriptionState, WallTime,
};

use super::error::Failure;
use super::file::Outcome;
use super::tables::{Tables, after, names};
use crate::encoding::{Progress, Waiting, read, write};
use crate::refusal;
use crate::rules::{self, LeaseRow, Verdict};

/// What the file's keys hold is what was checked when it was written.
const UNREADABLE: &str = "a key in the state file cannot be read";

impl Tables<'_> {
    /// Takes a lease and loads subscriptions.
    pub(super) fn open_collection(
        &mut self,
        request: &OpenRequest,
        now: WallTime,
    ) -> Result<Outcome<Opened>, Failure> {
        let collection = &request.collection;
        let row = self.lease(collection.as_str())?;
        if let Some((by, remaining)) = row.and_then(|row| row.in_the_way(request, now)) {
            return Ok(Outcome::Discard(Opened::Held { by, remaining }));
        }
        let newest = self.meta.get("epoch")?.map_or(0, |epoch| epoch.value());
        let epoch = request.last_epoch.max(newest) + 1;
        self.meta.insert("epoch", epoch)?;
        let row = LeaseRow::taken(&request.worker, epoch, now, request.lease_time);
        self.put_lease(collection.as_str(), &row)?;
        let lease = Lease {
            collection: collection.clone(),
            worker: request.worker.clone(),
            epoch,
        };
        let states = self.load(&lease, &request.subscriptions)?;
        let mut others = Vec::new();
        let end = after(collection.as_str());
        for found in self
            .progress
            .range((collection.as_str(), "")..(end.as_str(), ""))?
        {
            let (key, _) = found?;
            let destination =
                DestinationId::new(key.value().1).map_err(|_| StateError::corrupt(UNREADABLE))?;
            if !request
                .subscriptions
                .iter()
                .any(|wanted| wanted.destination == destination)
            {
                others.push(destination);
            }
        }
        Ok(Outcome::Keep(Opened::Taken {
            lease,
            states,
            others,
        }))
    }

    /// Loads subscriptions, beginning those that have no state of the life asked for, and moving those that are to be.
    pub(super) fn load(
        &mut self,
        lease: &Lease,
        subscriptions: &[SubscriptionStart],
    ) -> Result<Vec<SubscriptionState>, Failure> {
        let mut states = Vec::with_capacity(subscriptions.len());
        for wanted in subscriptions {
            let (collection, destination) = (lease.collection.clone(), wanted.destination.clone());
            let subscription = SubscriptionId {
                collection,
                destination,
            };
            let known = self
                .progress(&subscription)?
                .filter(|progress| progress.life == wanted.life);
            let is_new = known.is_none();
            let progress = match known {
                Some(mut progress) => {
                    if progress.rewind(wanted, lease) {
                        self.rewind(&subscription, &progress, wanted.rewind.to)?;
                    }
                    progress
                }
                None => {
                    self.forget(&subscription)?;
                    let progress = Progress::begin(wanted, lease);
                    self.progress
                        .insert(names(&subscription), write(&progress).as_bytes())?;
                    progress
                }
            };
            states.push(self.state(&subscription, progress, is_new)?);
        }
        Ok(states)
    }

    /// Applies a commit, or says why not and changes nothing; the failure of the whole transaction is another matter.
    pub(super) fn commit(
        &mut self,
        commit: &Commit,
        now: WallTime,
        max_keys: u64,
    ) -> Result<Result<Applied, StateError>, Failure> {
        let progress = match self.judge(commit) {
            Ok(Some(progress)) => progress,
            Ok(None) => return Ok(Ok(Applied::Whole)),
            Err(Failure::Refused(error)) => return Ok(Err(error)),
            Err(failure) => return Err(failure),
        };
        let subscription = &commit.subscription;
        let names = names(subscription);
        let generation = progress.generation;
        let progress = Progress {
            position: commit
                .advance
                .as_ref()
                .map_or(progress.position, |advance| advance.to.clone()),
            commit: commit.number,
            epoch: commit.lease.epoch,
            worker: commit.lease.worker.clone(),
            ..progress
        };
        self.progress.insert(names, write(&progress).as_bytes())?;
        for sequence in &commit.settled_ahead {
            self.ahead.insert((names.0, names.1, sequence.as_str()), ())?;
        }
        if let Some(token) = commit.advance.as_ref().and_then(|advance| advance.to.token()) {
            let end = after(names.1);
            let settled = |sequence: &str| Sequence::from_text(sequence).token() <= token;
            self.ahead
                .retain_in((names.0, names.1, "")..(names.0, end.as_str(), ""), |key, ()| {
                    !settled(key.2)
                })?;
        }
        self.change_queue(commit)?;
        self.change_dead_letters(commit)?;
        let is_whole = self.add_processed(subscription, &commit.processed, generation, now, max_keys)?;
        Ok(Ok(if is_whole { Applied::Whole } else { Applied::Capped }))
    }

    /// Drops a subscription's state but for its dead letters.
    pub(super) fn forget(&mut self, subscription: &SubscriptionId) -> Result<(), Failure> {
        let (collection, destination) = names(subscription);
        self.progress.remove((collection, destination))?;
        let waiting = (collection, destination, 0)..=(collection, destination, u64::MAX);
        self.waiting.retain_in(waiting.clone(), |_, _| false)?;
        self.contents.retain_in(waiting, |_, _| false)?;
        let end = after(destination);
        let texts = (collection, destination, "")..(collection, end.as_str(), "");
        self.ahead.retain_in(texts, |_, ()| false)?;
        Ok(())
    }

    /// Puts a subscription where its progress says, which was moved to before all changes of `to`.
    fn rewind(
        &mut self,
        subscription: &SubscriptionId,
        progress: &Progress,
        to: ClusterTime,
    ) -> Result<(), Failure> {
        let (collection, destination) = names(subscription);
        self.progress
            .insert((collection, destination), write(progress).as_bytes())?;
        let end = after(destination);
        let texts = (collection, destination, "")..(collection, end.as_str(), "");
        self.ahead.retain_in(texts, |_, ()| false)?;
        self.drop_waiting_from(subscription, to)
    }

    /// Drops all of a collection but its processed ids.
    pub(super) fn forget_collection(&mut self, collection: &str) -> Result<(), Failure> {
        let end = after(collection);
        let end = end.as_str();
        self.leases.remove(collection)?;
        self.progress
            .retain_in((collection, "")..(end, ""), |_, _| false)?;
        self.waiting
            .retain_in((collection, "", 0)..(end, "", 0), |_, _| false)?;
        self.contents
            .retain_in((collection, "", 0)..(end, "", 0), |_, _| false)?;
        self.ahead
            .retain_in((collection, "", "")..(end, "", ""), |_, ()| false)?;
        self.poisoning
            .retain_in((collection, "", "", 0)..(end, "", "", 0), |_, _| false)?;
        self.dead
            .retain_in((collection, 0)..=(collection, u64::MAX), |_, _| false)?;
        self.dead_index
            .retain_in((collection, 0)..=(collection, u64::MAX), |_, _| false)?;
        self.last_dead.remove(collection)?;
        self.dead_count
            .retain_in((collection, "")..(end, ""), |_, _| false)?;
        Ok(())
    }

    /// The stored lease of a collection.
    pub(super) fn lease(&self, collection: &str) -> Result<Option<LeaseRow>, Failure> {
        let row = self.leases.get(collection)?;
        Ok(row.map(|row| read(row.value(), "a lease")).transpose()?)
    }

    pub(super) fn put_lease(&mut self, collection: &str, row: &LeaseRow) -> Result<(), Failure> {
        self.leases.insert(collection, write(row).as_bytes())?;
        Ok(())
    }

    fn progress(&self, subscription: &SubscriptionId) -> Result<Option<Progress>, Failure> {
        let progress = self.progress.get(names(subscription))?;
        Ok(progress
            .map(|progress| read(progress.value(), "a position"))
            .transpose()?)
    }

    /// The progress that a commit goes on from; `None` if it is the last one once more.
    fn judge(&self, commit: &Commit) -> Result<Option<Progress>, Failure> {
        refusal::check(commit)?;
        let lease = self.lease(commit.subscription.collection.as_str())?;
        rules::hold(lease.as_ref(), &commit.lease)?;
        let progress = self.progress(&commit.subscription)?;
        match rules::judge(commit, lease.as_ref(), progress.as_ref())? {
            Verdict::Repeat => Ok(None),
            Verdict::Apply if !self.knows_what_is_rescheduled(commit)? => {
                Err(refusal::does_not_wait(commit).into())
            }
            Verdict::Apply if !self.has_what_is_redriven(commit)? => {
                Err(refusal::no_such_letter(commit).into())
            }
            Verdict::Apply => Ok(progress),
        }
    }

    fn state(
        &self,
        subscription: &SubscriptionId,
        progress: Progress,
        is_new: bool,
    ) -> Result<SubscriptionState, Failure> {
        let (collection, destination) = names(subscription);
        let mut waiting = Vec::new();
        for found in self
            .waiting
            .range((collection, destination, 0)..=(collection, destination, u64::MAX))?
        {
            let (key, entry) = found?;
            waiting.push(Waiting::read(entry.value())?.reference(RetryId(key.value().2)));
        }
        let end = after(destination);
        let texts = (collection, destination, "")..(collection, end.as_str(), "");
        let mut settled_ahead = Vec::new();
        for found in self.ahead.range(texts)? {
            settled_ahead.push(Sequence::from_text(found?.0.value().2));
        }
        let (dead_letters, collection_dead_letters) = self.dead_counts(subscription)?;
        Ok(SubscriptionState {
            destination: subscription.destination.clone(),
            position: progress.position,
            is_new,
            last_commit: progress.commit,
            settled_ahead,
            waiting,
            poisoned: self.poisoned(subscription)?,
            dead_letters,
            collection_dead_letters,
            generation: progress.generation,
        })
    }
}

/// What became of a commit that was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Applied {
    /// All of it, now or before.
    Whole,
    /// All but the processed ids, of which there are too many.
    Capped,
}
