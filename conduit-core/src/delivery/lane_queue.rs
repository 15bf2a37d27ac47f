//! What waits to be sent, in the lanes of its keys.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::call::Job;
use super::key_table::Admission;
use crate::contract::{Outcome, SameKey, SinkLimits};
use crate::value::{KeyMap, RecordKey};

/// Records that wait for a call, the oldest first but for those that follow another of their key.
///
/// A key's records are a *lane*: while one of them is in a call, the others wait. Everything else goes as soon as there is a
/// call for it, so that no slow key is in the way of another, and the position is not far behind what was delivered.
pub(super) struct LaneQueue {
    limits: SinkLimits,
    /// What came and was not looked at yet.
    waiting: VecDeque<Job>,
    /// The next record of each lane whose call ended. It is older than what waits.
    next: VecDeque<Job>,
    /// The lanes with a record in a call or among the next.
    lanes: KeyMap<Lane>,
    /// Numbers calls, from 1.
    calls: u64,
    len: usize,
    /// Of what waits or is next.
    bytes: usize,
}

#[derive(Default)]
struct Lane {
    /// The call that it is part of; none while its record is among the next.
    call: Option<u64>,
    /// What follows the record that is in the call, or next.
    followers: VecDeque<Job>,
}

/// The records of a call while they are gathered.
struct Gathering {
    jobs: Vec<Job>,
    bytes: usize,
    is_full: bool,
}

impl LaneQueue {
    pub(super) fn new(limits: SinkLimits) -> Self {
        Self {
            limits,
            waiting: VecDeque::new(),
            next: VecDeque::new(),
            lanes: KeyMap::default(),
            calls: 0,
            len: 0,
            bytes: 0,
        }
    }

    /// How many records wait.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push(&mut self, job: Job) {
        self.len += 1;
        self.bytes += job.record.size();
        self.waiting.push_back(job);
    }

    /// Until when to wait for more records, if a call would not be full. No record waits longer, not even one that had to
    /// wait for another of its key first.
    pub(super) fn lingers(&mut self) -> Option<Instant> {
        if self.limits.linger.is_zero() {
            return None;
        }
        let until = self.first(None)?.accepted + self.limits.linger;
        let is_full = self.next.len() + self.waiting.len() >= self.limits.max_records
            || self.bytes >= self.limits.max_bytes;
        (!is_full && until > Instant::now()).then_some(until)
    }

    /// Takes the next call's records, as many as fit: one of each lane, or, where the destination applies them in order,
    /// several. What `admit` holds back is settled and left out. The lanes are in hand until they are
    /// [released](Self::release).
    pub(super) fn take(&mut self, admit: impl Fn(RecordKey) -> Admission) -> Vec<Job> {
        self.calls += 1;
        let (call, limits) = (self.calls, self.limits);
        let mut gathering = Gathering::new(&limits, self.next.len() + self.waiting.len());
        while let Some(first) = self.first(Some(call))
            && gathering.fits(first, &limits)
            && let Some(job) = self.next.pop_front().or_else(|| self.waiting.pop_front())
        {
            let key = job.record.key();
            self.bytes -= job.record.size();
            if self.admit(job, &mut gathering, &admit) == Admission::Send {
                self.lanes.entry(key).or_default().call = Some(call);
                self.take_followers(key, &mut gathering, &admit);
            } else if self.lanes.get(&key).is_some_and(|lane| lane.call.is_none()) {
                self.follow(key);
            }
        }
        gathering.jobs
    }

    /// Returns the record that goes next, to the call of this number. Those of lanes that are in hand are put behind these.
    fn first(&mut self, call: Option<u64>) -> Option<&Job> {
        if self.next.is_empty() {
            while let Some(first) = self.waiting.front()
                && let Some(lane) = self.lanes.get_mut(&first.record.key())
            {
                let joins = self.limits.same_key == SameKey::InOrder && lane.call == call;
                if joins && lane.followers.is_empty() {
                    break;
                }
                self.bytes -= first.record.size();
                lane.followers.extend(self.waiting.pop_front());
            }
        }
        self.next.front().or_else(|| self.waiting.front())
    }

    /// Takes what follows a lane's first record in a call, where the destination applies them in order.
    fn take_followers(
        &mut self,
        key: RecordKey,
        gathering: &mut Gathering,
        admit: &impl Fn(RecordKey) -> Admission,
    ) {
        if self.limits.same_key == SameKey::OncePerCall {
            return;
        }
        while let Some(lane) = self.lanes.get_mut(&key)
            && let Some(first) = lane.followers.front()
            && gathering.fits(first, &self.limits)
            && let Some(job) = lane.followers.pop_front()
        {
            self.admit(job, gathering, admit);
        }
    }

    fn admit(
        &mut self,
        job: Job,
        gathering: &mut Gathering,
        admit: &impl Fn(RecordKey) -> Admission,
    ) -> Admission {
        self.len -= 1;
        let admission = admit(job.record.key());
        match admission {
            Admission::Send => gathering.push(job, &self.limits),
            Admission::Behind => job.settle(Outcome::Behind, None),
        }
        admission
    }

    /// Notes that a lane has no record in a call any more. Said again, of each of its records, it does nothing.
    pub(super) fn release(&mut self, key: RecordKey) {
        if self.lanes.get(&key).is_some_and(|lane| lane.call.is_some()) {
            self.follow(key);
        }
    }

    /// Has the next record of a lane wait for a call, or ends the lane.
    fn follow(&mut self, key: RecordKey) {
        let Some(lane) = self.lanes.get_mut(&key) else {
            return;
        };
        lane.call = None;
        match lane.followers.pop_front() {
            Some(job) => {
                self.bytes += job.record.size();
                self.next.push_back(job);
            }
            None => {
                self.lanes.remove(&key);
            }
        }
    }

    /// Takes everything out, the records of a key in order. Lanes that are in hand stay so.
    pub(super) fn drain(&mut self) -> Vec<Job> {
        let mut jobs = Vec::with_capacity(self.len);
        for job in self.next.drain(..) {
            let lane = self.lanes.remove(&job.record.key());
            jobs.push(job);
            jobs.extend(lane.into_iter().flat_map(|lane| lane.followers));
        }
        for lane in self.lanes.values_mut() {
            jobs.extend(lane.followers.drain(..));
        }
        jobs.extend(self.waiting.drain(..));
        self.len = 0;
        self.bytes = 0;
        jobs
    }
}

impl Gathering {
    fn new(limits: &SinkLimits, ready: usize) -> Self {
        Self {
            jobs: Vec::with_capacity(limits.max_records.min(ready)),
            bytes: 0,
            is_full: false,
        }
    }

    fn fits(&self, job: &Job, limits: &SinkLimits) -> bool {
        let size = job.record.size();
        let goes_along = self.bytes + size <= limits.max_bytes && !goes_alone(job, limits);
        !self.is_full && (self.jobs.is_empty() || goes_along)
    }

    fn push(&mut self, job: Job, limits: &SinkLimits) {
        self.is_full = self.jobs.len() + 1 >= limits.max_records || goes_alone(&job, limits);
        self.bytes += job.record.size();
        self.jobs.push(job);
    }
}

/// One that cannot be sent goes alone, so that it takes no other with it.
fn goes_alone(job: &Job, limits: &SinkLimits) -> bool {
    job.record.fault().is_some() || job.record.size() > limits.max_bytes
}

#[cfg(test)]
#[path = "lane_queue_tests.rs"]
mod tests;
