//! The engine's dispatcher: lanes by key.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::Gate;
use super::key_table::{Admission, KeyTable, Verdict};
use crate::contract::{
    Closed, Dispatcher, Outcome, Receipt, RecordBatch, Route, SameKey, Sink, SinkError, SinkErrorKind,
    SinkLimits, Work,
};
use crate::value::Record;

/// Carries records to one sink: records of a key in order in one lane, lanes side by side, chains of waiting records
/// beside them.
///
/// A lane has one call in hand at a time and outlives pieces of work, so order holds between them. A key is parked the
/// moment its record fails; what follows of it settles as [`Outcome::Behind`] without being sent.
pub struct Lanes {
    input: mpsc::UnboundedSender<Work>,
    room: Arc<Semaphore>,
    max_room: u32,
    stop: Mutex<Option<(oneshot::Sender<Instant>, JoinHandle<()>)>>,
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lanes")
    }
}

/// What all calls of a subscription share.
struct Shared {
    sink: Arc<dyn Sink>,
    limits: SinkLimits,
    gate: Arc<Gate>,
    keys: Arc<KeyTable>,
    calls: Semaphore,
}

struct Job {
    record: Arc<Record>,
    receipt: Receipt,
}

impl Job {
    fn settle(self, outcome: Outcome, took: Option<Duration>) {
        self.receipt.settle(outcome, took);
    }
}

/// Which queue a finished call came from.
#[derive(Clone, Copy)]
enum Origin {
    Lane(usize),
    Chain,
}

impl Lanes {
    /// Starts the lanes of one subscription; `room` is how many records they hold at most.
    pub(crate) fn start(sink: Arc<dyn Sink>, gate: Arc<Gate>, keys: Arc<KeyTable>, room: usize) -> Self {
        let limits = sink.limits();
        let concurrency = limits.concurrency.max(1);
        let (input, work) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let max_room = u32::try_from(room.max(1)).unwrap_or(u32::MAX >> 4);
        let room = Arc::new(Semaphore::new(max_room as usize));
        // A quarter of the calls is kept for chains, so that retries that hang cannot stop the lanes, nor the lanes
        // starve the retries.
        let lanes = concurrency - concurrency / 4;
        let runner = Runner {
            shared: Arc::new(Shared {
                sink,
                limits,
                gate,
                keys,
                calls: Semaphore::new(concurrency),
            }),
            lanes: (0..lanes).map(|_| Lane::default()).collect(),
            calls: FuturesUnordered::new(),
            room: Arc::clone(&room),
        };
        let task = tokio::spawn(runner.run(work, stopped));
        Self {
            input,
            room,
            max_room,
            stop: Mutex::new(Some((stop, task))),
        }
    }
}

#[async_trait]
impl Dispatcher for Lanes {
    async fn submit(&self, work: Work) -> Result<(), Closed> {
        let wanted = u32::try_from(work.records.len())
            .unwrap_or(u32::MAX)
            .min(self.max_room);
        let permit = self.room.acquire_many(wanted).await.map_err(|_closed| Closed)?;
        self.input.send(work).map_err(|_closed| Closed)?;
        // The runner gives the room back as records settle.
        permit.forget();
        Ok(())
    }

    async fn drain(&self, deadline: Instant) {
        self.room.close();
        let stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((stop, task)) = stop {
            let _ = stop.send(deadline);
            if let Err(error) = task.await {
                tracing::error!(%error, "the lanes of a subscription died");
            }
        }
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        if let Some((_, task)) = self.stop.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

#[derive(Default)]
struct Lane {
    queue: VecDeque<Job>,
    busy: bool,
}

struct Runner {
    shared: Arc<Shared>,
    lanes: Vec<Lane>,
    calls: FuturesUnordered<BoxFuture<'static, (Origin, usize)>>,
    room: Arc<Semaphore>,
}

impl Runner {
    async fn run(mut self, mut input: mpsc::UnboundedReceiver<Work>, mut stop: oneshot::Receiver<Instant>) {
        let deadline = loop {
            // Stop first, so that a drain is not held up by work; finished calls before new work, so that lanes
            // do not idle.
            tokio::select! {
                biased;
                deadline = &mut stop => break deadline,
                Some((origin, settled)) = self.calls.next(), if !self.calls.is_empty() => {
                    self.room.add_permits(settled);
                    if let Origin::Lane(lane) = origin {
                        self.lanes[lane].busy = false;
                        self.start_lane(lane);
                    }
                }
                Some(work) = input.recv() => self.accept(work),
                else => return,
            }
        };
        // Whoever went without a word gets no time: its records are unsettled, which is safe.
        let Ok(deadline) = deadline else { return };
        self.shared.gate.close();
        input.close();
        for lane in &mut self.lanes {
            lane.queue.clear();
        }
        let finish = async { while self.calls.next().await.is_some() {} };
        let _ = tokio::time::timeout_at(deadline, finish).await;
        // Everything that is dropped here comes back as not attempted, since its receipts are.
    }

    fn accept(&mut self, work: Work) {
        let jobs = work
            .records
            .into_iter()
            .map(|(record, receipt)| Job { record, receipt });
        match work.route {
            Route::Chain => {
                let shared = Arc::clone(&self.shared);
                let jobs: Vec<Job> = jobs.collect();
                let count = jobs.len();
                self.calls.push(
                    async move {
                        run_chain(&shared, jobs).await;
                        (Origin::Chain, count)
                    }
                    .boxed(),
                );
            }
            Route::Lanes => {
                let mut touched = HashSet::new();
                for job in jobs {
                    let lane = job.record.key().lane(self.lanes.len());
                    self.lanes[lane].queue.push_back(job);
                    touched.insert(lane);
                }
                for lane in touched {
                    if !self.lanes[lane].busy {
                        self.start_lane(lane);
                    }
                }
            }
        }
    }

    /// Takes the next call's records off a lane's queue and sends them.
    fn start_lane(&mut self, lane: usize) {
        let limits = self.shared.limits;
        let queue = &mut self.lanes[lane].queue;
        let mut jobs: Vec<Job> = Vec::new();
        let mut bytes = 0;
        let mut settled = 0;
        while jobs.len() < limits.max_records.max(1) {
            let Some(next) = queue.front() else { break };
            let (key, size) = (next.record.key(), next.record.size());
            let fits = jobs.is_empty() || bytes + size <= limits.max_bytes;
            let repeats = jobs.iter().any(|job| job.record.key() == key);
            if !fits || (repeats && limits.same_key == SameKey::OncePerCall) {
                break;
            }
            let Some(job) = queue.pop_front() else { break };
            match self.shared.keys.admit(key) {
                Admission::Behind => {
                    settled += 1;
                    job.settle(Outcome::Behind, None);
                }
                Admission::Send => {
                    bytes += size;
                    jobs.push(job);
                }
            }
        }
        self.room.add_permits(settled);
        if jobs.is_empty() {
            return;
        }
        self.lanes[lane].busy = true;
        let shared = Arc::clone(&self.shared);
        self.calls.push(
            async move {
                let count = jobs.len();
                run_call(&shared, jobs).await;
                (Origin::Lane(lane), count)
            }
            .boxed(),
        );
    }
}

/// Sends one batch from a lane and settles every record of it.
async fn run_call(shared: &Shared, jobs: Vec<Job>) {
    let mut jobs = jobs;
    while !jobs.is_empty() {
        let Some(answer) = send(shared, &jobs).await else {
            return;
        };
        let mut throttled: Vec<Job> = Vec::new();
        let mut failed_keys = HashSet::new();
        for (job, failure) in jobs.into_iter().zip(answer.failures) {
            let key = job.record.key();
            let is_throttled =
                matches!(&failure, Some(error) if matches!(error.kind(), SinkErrorKind::Throttled { .. }));
            // In a batch that is applied in order, what follows a record of its key that did not get through cannot count:
            // that one comes again, and then this one has to follow it.
            if is_throttled || throttled.iter().any(|other| other.record.key() == key) {
                throttled.push(job);
                continue;
            }
            if failed_keys.contains(&key) && shared.keys.admit(key) == Admission::Behind {
                job.settle(Outcome::Behind, Some(answer.took));
                continue;
            }
            match failure {
                None => {
                    let cured = shared.keys.delivered(&job.record);
                    job.settle(Outcome::Delivered { cured }, Some(answer.took));
                }
                Some(error) => {
                    failed_keys.insert(key);
                    let outcome = match shared.keys.failed(&job.record, error.kind()) {
                        Verdict::Park => Outcome::Failed(error),
                        Verdict::Dead => Outcome::Dead(error),
                    };
                    job.settle(outcome, Some(answer.took));
                }
            }
        }
        jobs = throttled;
    }
}

/// Sends waiting records of one key one after the other, up to the first that fails.
async fn run_chain(shared: &Shared, jobs: Vec<Job>) {
    let mut jobs: VecDeque<Job> = jobs.into();
    while let Some(job) = jobs.pop_front() {
        let call = [job];
        let Some(answer) = send(shared, &call).await else {
            return;
        };
        let [job] = call;
        match answer.failures.into_iter().next().flatten() {
            None => {
                let cured = shared.keys.delivered(&job.record);
                job.settle(Outcome::Delivered { cured }, Some(answer.took));
            }
            Some(error) if matches!(error.kind(), SinkErrorKind::Throttled { .. }) => jobs.push_front(job),
            Some(error) => {
                let is_final = error.kind() == SinkErrorKind::Undeliverable;
                let outcome = if is_final {
                    Outcome::Dead(error)
                } else {
                    Outcome::Failed(error)
                };
                job.settle(outcome, Some(answer.took));
                return;
            }
        }
    }
}

/// A sink's answer: for each record of the call, why it failed if it did.
struct Answer {
    failures: Vec<Option<SinkError>>,
    took: Duration,
}

/// Makes one call once the gate lets it through; `None` if no call will be made any more.
async fn send(shared: &Shared, jobs: &[Job]) -> Option<Answer> {
    let oversize = |job: &Job| (job.record.size() > shared.limits.max_bytes).then(|| too_large(job, shared));
    if let [job] = jobs
        && let Some(error) = oversize(job)
    {
        return Some(Answer {
            failures: vec![Some(error)],
            took: Duration::ZERO,
        });
    }
    let _permit = loop {
        if !shared.gate.pass().await {
            return None;
        }
        // The semaphore is never closed.
        let permit = shared.calls.acquire().await.ok()?;
        if shared.gate.is_open() {
            break permit;
        }
    };
    let batch = RecordBatch::new(jobs.iter().map(|job| Arc::clone(&job.record)).collect());
    let started = Instant::now();
    let call = AssertUnwindSafe(shared.sink.deliver(&batch)).catch_unwind();
    let result = match tokio::time::timeout(shared.limits.timeout, call).await {
        Ok(Ok(result)) => result,
        Ok(Err(_panic)) => Err(SinkError::unavailable("the sink panicked")),
        Err(_elapsed) => Err(SinkError::timeout(format!(
            "no answer within {:?}",
            shared.limits.timeout
        ))),
    };
    let took = started.elapsed();
    let mut failures: Vec<Option<SinkError>> = jobs.iter().map(|_| None).collect();
    match result {
        Ok(delivery) => {
            for (index, error) in delivery.failed {
                match failures.get_mut(index) {
                    Some(failure) => *failure = Some(error),
                    // A sink that names a record that it was not given cannot be believed about the others.
                    None => failures
                        .iter_mut()
                        .for_each(|failure| *failure = Some(error.clone())),
                }
            }
        }
        Err(error) => failures
            .iter_mut()
            .for_each(|failure| *failure = Some(error.clone())),
    }
    note_throttling(shared, &failures);
    Some(Answer { failures, took })
}

fn note_throttling(shared: &Shared, failures: &[Option<SinkError>]) {
    let throttled = failures.iter().flatten().find_map(|error| match error.kind() {
        SinkErrorKind::Throttled { retry_after } => Some(retry_after),
        _ => None,
    });
    match throttled {
        Some(retry_after) => shared.gate.throttle(retry_after),
        None => shared.gate.answered(),
    }
}

fn too_large(job: &Job, shared: &Shared) -> SinkError {
    let (size, limit) = (job.record.size(), shared.limits.max_bytes);
    SinkError::undeliverable(format!(
        "the record has {size} bytes, the destination takes {limit}"
    ))
}
