//! The calls of one subscription: from the gate to the outcome of each record.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};

use super::Gate;
use super::endpoint::Endpoint;
use super::key_table::KeyTable;
use super::pass::{Caller, Counts, Entry, Pass, Probe};
use crate::contract::{
    Delivery, Outcome, Permission, Receipt, RecordBatch, Sink, SinkError, SinkErrorKind, SinkLimits, Subject,
};
use crate::value::Record;

/// A record to be sent, and the receipt that its outcome is written on.
pub(super) struct Job {
    pub(super) record: Arc<Record>,
    /// When the lanes took it.
    pub(super) accepted: Instant,
    receipt: Receipt,
}

impl Job {
    pub(super) fn new(record: Arc<Record>, receipt: Receipt, accepted: Instant) -> Self {
        Self {
            record,
            accepted,
            receipt,
        }
    }

    pub(super) fn settle(self, outcome: Outcome, took: Option<Duration>) {
        self.receipt.settle(outcome, took);
    }
}

/// What all calls of a subscription share.
pub(super) struct Calls {
    sink: Arc<dyn Sink>,
    limits: SinkLimits,
    gate: Arc<Gate>,
    /// Ends with the lease.
    permission: Arc<Permission>,
    endpoint: Arc<Endpoint>,
    keys: Arc<KeyTable>,
    slots: Semaphore,
    /// How many of these waiting records may have: of any number of chains, only so many take a slot from the lanes.
    chain_slots: Semaphore,
    recalls: watch::Sender<Recalls>,
}

/// How often everything was called back.
pub(super) type Recalls = u64;

/// A sink's answer.
pub(super) struct Answer {
    /// For each record of the call, why it failed if it did; nothing if none did.
    pub(super) failures: Vec<Option<SinkError>>,
    /// All failed with one error, which may be about one of them.
    pub(super) is_refused_whole: bool,
    pub(super) counts: Counts,
    pub(super) took: Duration,
}

/// The place of one call among those in hand, and among those of waiting records if it is one.
type Slots<'a> = (Option<SemaphorePermit<'a>>, SemaphorePermit<'a>);

/// What a call holds while it is made.
type Entered<'a> = (Option<Probe<'a>>, Slots<'a>, Pass);

/// Why a call was not made.
#[derive(Clone, Copy)]
pub(super) enum NotSent {
    /// No call is made any more.
    Closed,
    /// What was not sent yet was called back.
    Recalled,
}

impl Calls {
    pub(super) fn new(
        sink: Arc<dyn Sink>,
        (gate, endpoint): (Arc<Gate>, Arc<Endpoint>),
        keys: Arc<KeyTable>,
    ) -> Self {
        let limits = sink.limits();
        let lease = Arc::clone(gate.lease());
        Self {
            sink,
            limits,
            gate,
            permission: Arc::new(move || lease.is_held()),
            endpoint,
            keys,
            slots: Semaphore::new(limits.concurrency.max(1)),
            chain_slots: Semaphore::new((limits.concurrency / 4).max(1)),
            recalls: watch::Sender::new(0),
        }
    }

    pub(super) fn limits(&self) -> SinkLimits {
        self.limits
    }

    pub(super) fn keys(&self) -> &KeyTable {
        &self.keys
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Makes every call that waits to be sent give its records back.
    pub(super) fn recall(&self) {
        self.recalls.send_modify(|count| *count += 1);
    }

    pub(super) fn recalls(&self) -> Recalls {
        *self.recalls.borrow()
    }

    /// Waits until everything is called back once more.
    async fn recalled(&self, since: Recalls) {
        // The sender is here as well.
        let _ = self.recalls.subscribe().wait_for(|count| *count != since).await;
    }

    /// Makes one call once everything lets it through.
    pub(super) async fn send(&self, caller: Caller, jobs: &[Job], since: Recalls) -> Result<Answer, NotSent> {
        if let [job] = jobs
            && let Some(error) = self.cannot_be_sent(&job.record)
        {
            return Ok(Answer {
                failures: vec![Some(error)],
                is_refused_whole: false,
                counts: Counts::Yes,
                took: Duration::ZERO,
            });
        }
        let (_probe, _slots, pass) = match self.enter_now(caller, since) {
            Some(entered) => entered,
            None => tokio::select! {
                biased;
                () = self.recalled(since) => return Err(NotSent::Recalled),
                () = self.gate.closed() => return Err(NotSent::Closed),
                entered = self.enter(caller) => entered?,
            },
        };
        let batch: RecordBatch = jobs.iter().map(|job| Arc::clone(&job.record)).collect();
        let batch = batch.with_shared_permission(Arc::clone(&self.permission));
        let started = Instant::now();
        let call = AssertUnwindSafe(self.sink.deliver(&batch)).catch_unwind();
        let result = match tokio::time::timeout(self.limits.timeout, call).await {
            Ok(Ok(result)) => result,
            Ok(Err(_panic)) => Err(SinkError::unavailable("the sink panicked")),
            Err(_elapsed) => {
                let message = format!("no answer within {:?}", self.limits.timeout);
                Err(SinkError::timeout(message))
            }
        };
        let took = started.elapsed();
        // A call that failed as a whole says one thing, however many records it held.
        let is_refused_whole = result.is_err();
        let says = if is_refused_whole { 1 } else { jobs.len() };
        let failures = failures(jobs.len(), result);
        note_throttling(&self.gate, &failures);
        let errors = failures.iter().map(Option::as_ref).chain(std::iter::repeat(None));
        let outcomes = jobs
            .iter()
            .map(|job| job.record.key())
            .zip(errors)
            .filter(|(_, failure)| failure.is_none_or(|error| error.subject() != Subject::Neither))
            .take(says);
        // What never left the process is no answer: the pass is given back.
        let is_unsent = |failure: &Option<SinkError>| matches!(failure, Some(error) if error.kind() == SinkErrorKind::NotSent);
        let is_sent = failures.is_empty() || !failures.iter().all(is_unsent);
        let counts = match is_sent {
            true => pass.report(outcomes),
            false => Counts::No,
        };
        Ok(Answer {
            failures,
            is_refused_whole,
            counts,
            took,
        })
    }

    /// As [`enter`](Self::enter), if nothing has to be waited for.
    fn enter_now(&self, caller: Caller, since: Recalls) -> Option<Entered<'_>> {
        let share = match caller {
            Caller::Lane => None,
            Caller::Chain => Some(self.chain_slots.try_acquire().ok()?),
            Caller::Probe => return None,
        };
        let slots = (share, self.slots.try_acquire().ok()?);
        if self.recalls() != since || !self.gate.is_open() {
            return None;
        }
        match self.endpoint.enter(caller, None) {
            Entry::Go(pass) => Some((None, slots, pass)),
            Entry::Wait(_) | Entry::NeedsTurn => None,
        }
    }

    /// Waits until the lease is held, the destination wants calls, fewer than the most are in hand, and the endpoint lets
    /// one through: all at the same moment.
    async fn enter(&self, caller: Caller) -> Result<Entered<'_>, NotSent> {
        let mut probe = (caller == Caller::Probe).then(|| Probe::new(&self.endpoint));
        let mut changes = self.endpoint.changes();
        loop {
            if !self.gate.is_open() {
                // A turn that cannot be used is for others.
                if let Some(probe) = &mut probe {
                    probe.give_turn_back();
                }
                if !self.gate.pass().await {
                    return Err(NotSent::Closed);
                }
            }
            let slots = self.slots(caller).await?;
            if !self.gate.is_open() {
                continue;
            }
            changes.borrow_and_update();
            let turn = probe.as_ref().and_then(Probe::turn);
            let until = match self.endpoint.enter(caller, turn) {
                Entry::Go(pass) => return Ok((probe, slots, pass)),
                Entry::NeedsTurn => {
                    drop(slots);
                    if let Some(probe) = &mut probe {
                        probe.take_turn().await;
                    }
                    continue;
                }
                Entry::Wait(until) => until,
            };
            drop(slots);
            // The endpoint, which sends the changes, is held here.
            match until {
                Some(until) => tokio::select! {
                    _ = changes.changed() => {}
                    () = sleep_until(until) => self.endpoint.try_stream(),
                },
                None => drop(changes.changed().await),
            }
        }
    }

    /// Waits until fewer than the most calls are in hand. Waiting records have a share of them, and wait for that first.
    async fn slots<'a>(&'a self, caller: Caller) -> Result<Slots<'a>, NotSent> {
        let one_of = async |slots: &'a Semaphore| slots.acquire().await.map_err(|_closed| NotSent::Closed);
        let share = match caller {
            Caller::Lane => None,
            Caller::Chain | Caller::Probe => Some(one_of(&self.chain_slots).await?),
        };
        Ok((share, one_of(&self.slots).await?))
    }

    fn cannot_be_sent(&self, record: &Record) -> Option<SinkError> {
        if let Some(fault) = record.fault() {
            return Some(SinkError::undeliverable(fault));
        }
        let (size, limit) = (record.size(), self.limits.max_bytes);
        (size > limit).then(|| {
            SinkError::undeliverable(format!(
                "the record has {size} bytes, the destination takes {limit}"
            ))
        })
    }
}

impl NotSent {
    pub(super) fn settle(self, job: Job) {
        match self {
            // What is dropped comes back as not attempted, since its receipt is.
            Self::Closed => drop(job),
            Self::Recalled => job.settle(Outcome::Recalled, None),
        }
    }
}

/// Why each of `count` records failed, if it did; nothing if none did.
fn failures(count: usize, result: Result<Delivery, SinkError>) -> Vec<Option<SinkError>> {
    if matches!(&result, Ok(delivery) if delivery.failed.is_empty()) {
        return Vec::new();
    }
    let mut failures: Vec<Option<SinkError>> = (0..count).map(|_| None).collect();
    let fail_all = |failures: &mut Vec<Option<SinkError>>, error: &SinkError| {
        failures
            .iter_mut()
            .for_each(|failure| *failure = Some(error.clone()));
    };
    match result {
        Ok(delivery) => {
            for (index, error) in delivery.failed {
                match failures.get_mut(index) {
                    Some(failure) => *failure = Some(error),
                    // A sink that names a record that it was not given cannot be believed about the others.
                    None => fail_all(&mut failures, &error),
                }
            }
        }
        Err(error) => fail_all(&mut failures, &error),
    }
    failures
}

fn note_throttling(gate: &Gate, failures: &[Option<SinkError>]) {
    let throttled = failures.iter().flatten().find_map(|error| match error.kind() {
        SinkErrorKind::Throttled { retry_after } => Some(retry_after),
        // Not at once, should it say so again.
        SinkErrorKind::NotSent => Some(None),
        _ => None,
    });
    match throttled {
        Some(retry_after) => gate.throttle(retry_after),
        None => gate.answered(),
    }
}
