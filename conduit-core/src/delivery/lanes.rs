//! The engine's dispatcher: lanes by key.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{Mutex, Semaphore, mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::Instant;

use super::Gate;
use super::call::{Calls, Job};
use super::endpoint::Endpoint;
use super::key_table::KeyTable;
use super::pass::Caller;
use super::take::take_call;
use crate::contract::{Closed, Dispatcher, Outcome, Route, Sink, SinkLimits, Work};

/// Carries records to one sink: records of a key in order in one lane, lanes side by side, chains of waiting records
/// beside them.
///
/// A lane has one call in hand at a time and outlives pieces of work, so order holds between them. A key is parked the
/// moment its record fails; what follows of it settles as [`Outcome::Behind`] without being sent.
pub struct Lanes {
    input: mpsc::UnboundedSender<Input>,
    room: Arc<Semaphore>,
    max_room: u32,
    /// Until when calls in hand may finish; `None` while it runs.
    deadline: watch::Sender<Option<Instant>>,
    abort: AbortHandle,
    /// Until its end was seen.
    task: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lanes")
    }
}

/// What the runner is told, in order.
enum Input {
    Work(Work),
    Recall,
}

/// Which queue a finished call came from.
#[derive(Clone, Copy)]
enum Origin {
    Lane(usize),
    Chain,
}

impl Lanes {
    /// Starts the lanes of one subscription; `room` is how many records they hold at most.
    pub(crate) fn start(
        sink: Arc<dyn Sink>,
        (gate, endpoint): (Arc<Gate>, Arc<Endpoint>),
        keys: Arc<KeyTable>,
        room: usize,
    ) -> Self {
        let concurrency = sink.limits().concurrency.max(1);
        let (input, work) = mpsc::unbounded_channel();
        let (deadline, stopped) = watch::channel(None);
        let max_room = u32::try_from(room.max(1)).unwrap_or(u32::MAX >> 4);
        let room = Arc::new(Semaphore::new(max_room as usize));
        // A quarter of the calls is kept for chains, so that retries that hang cannot stop the lanes, nor the lanes
        // starve the retries.
        let lanes = concurrency - concurrency / 4;
        let runner = Runner {
            shared: Arc::new(Calls::new(sink, (gate, endpoint), keys)),
            lanes: (0..lanes).map(|_| Lane::new()).collect(),
            calls: FuturesUnordered::new(),
            lingering: FuturesUnordered::new(),
            room: Arc::clone(&room),
        };
        let task = tokio::spawn(runner.run(work, stopped));
        Self {
            input,
            room,
            max_room,
            deadline,
            abort: task.abort_handle(),
            task: Mutex::new(Some(task)),
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
        self.input.send(Input::Work(work)).map_err(|_closed| Closed)?;
        // The runner gives the room back as records settle.
        permit.forget();
        Ok(())
    }

    fn recall(&self) {
        // A runner that is gone has given everything back already.
        let _ = self.input.send(Input::Recall);
    }

    async fn drain(&self, deadline: Instant) {
        self.room.close();
        self.deadline.send_modify(|known| {
            *known = Some(known.map_or(deadline, |known| known.min(deadline)));
        });
        let mut task = self.task.lock().await;
        if let Some(running) = &mut *task {
            if let Err(error) = running.await {
                tracing::error!(%error, "the lanes of a subscription died");
            }
            *task = None;
        }
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

struct Lane {
    queue: VecDeque<Job>,
    busy: bool,
    /// Somebody looks after it when it has waited long enough.
    is_lingering: bool,
}

impl Lane {
    fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            busy: false,
            is_lingering: false,
        }
    }

    /// Until when to wait for more records, if a call would not be full. No record waits longer, not even one that had to
    /// wait for another of its key first.
    fn lingers(&self, limits: &SinkLimits) -> Option<Instant> {
        let until = self.queue.front()?.accepted + limits.linger;
        if limits.linger.is_zero() || until <= Instant::now() || self.queue.len() >= limits.max_records {
            return None;
        }
        let bytes: usize = self.queue.iter().map(|job| job.record.size()).sum();
        (bytes < limits.max_bytes).then_some(until)
    }
}

struct Runner {
    shared: Arc<Calls>,
    lanes: Vec<Lane>,
    calls: FuturesUnordered<BoxFuture<'static, (Origin, usize)>>,
    /// Lanes that wait for more records.
    lingering: FuturesUnordered<BoxFuture<'static, usize>>,
    room: Arc<Semaphore>,
}

impl Runner {
    async fn run(
        mut self,
        mut input: mpsc::UnboundedReceiver<Input>,
        mut deadline: watch::Receiver<Option<Instant>>,
    ) {
        loop {
            // Stop first, so that a drain is not held up by work; finished calls before new work, so that lanes
            // do not idle.
            tokio::select! {
                biased;
                changed = deadline.changed() => match changed {
                    Ok(()) => break,
                    // Whoever went without a word gives no time: its records are unsettled, which is safe.
                    Err(_gone) => return,
                },
                Some((origin, settled)) = self.calls.next(), if !self.calls.is_empty() => {
                    self.room.add_permits(settled);
                    if let Origin::Lane(lane) = origin {
                        self.lanes[lane].busy = false;
                        self.start_lane(lane);
                    }
                }
                Some(lane) = self.lingering.next(), if !self.lingering.is_empty() => {
                    self.lanes[lane].is_lingering = false;
                    self.start_lane(lane);
                }
                Some(input) = input.recv() => match input {
                    Input::Work(work) => self.accept(work),
                    Input::Recall => self.recall(),
                },
                else => return,
            }
        }
        self.shared.gate().close();
        input.close();
        for lane in &mut self.lanes {
            lane.queue.clear();
        }
        while !self.calls.is_empty() {
            let until = deadline.borrow_and_update().unwrap_or_else(Instant::now);
            tokio::select! {
                biased;
                // The deadline may be drawn nearer.
                _ = deadline.changed() => {}
                () = tokio::time::sleep_until(until) => break,
                _ = self.calls.next() => {}
            }
        }
        // Everything that is dropped here comes back as not attempted, since its receipts are.
    }

    fn accept(&mut self, work: Work) {
        let jobs = work
            .records
            .into_iter()
            .map(|(record, receipt)| Job::new(record, receipt));
        match work.route {
            Route::Chain => self.start_chain(Caller::Chain, jobs.collect()),
            Route::Probe => self.start_chain(Caller::Probe, jobs.collect()),
            Route::Lanes => {
                let mut touched = HashSet::new();
                for job in jobs {
                    let lane = job.record.key().lane(self.lanes.len());
                    let found = &mut self.lanes[lane];
                    found.queue.push_back(job);
                    touched.insert(lane);
                }
                for lane in touched {
                    self.start_lane(lane);
                }
            }
        }
    }

    fn start_chain(&mut self, caller: Caller, jobs: Vec<Job>) {
        let (shared, recalls) = (Arc::clone(&self.shared), self.shared.recalls());
        self.calls.push(
            async move {
                let count = jobs.len();
                shared.run_chain(caller, jobs, recalls).await;
                (Origin::Chain, count)
            }
            .boxed(),
        );
    }

    /// Gives back everything that is not being sent.
    fn recall(&mut self) {
        for lane in &mut self.lanes {
            self.room.add_permits(lane.queue.len());
            for job in lane.queue.drain(..) {
                job.settle(Outcome::Recalled, None);
            }
        }
        self.shared.recall();
    }

    /// Takes the next call's records off a lane's queue and sends them; waits for more first if the destination wants that.
    fn start_lane(&mut self, lane: usize) {
        let limits = self.shared.limits();
        let found = &mut self.lanes[lane];
        if found.busy || found.queue.is_empty() {
            return;
        }
        if let Some(until) = found.lingers(&limits) {
            if !found.is_lingering {
                found.is_lingering = true;
                let wait = tokio::time::sleep_until(until);
                self.lingering.push(wait.map(move |()| lane).boxed());
            }
            return;
        }
        let queued = found.queue.len();
        let jobs = take_call(&mut found.queue, &limits, |key| self.shared.keys().admit(key));
        self.room.add_permits(queued - found.queue.len() - jobs.len());
        if jobs.is_empty() {
            return;
        }
        found.busy = true;
        let (shared, recalls) = (Arc::clone(&self.shared), self.shared.recalls());
        self.calls.push(
            async move {
                let count = jobs.len();
                shared.run_lane(jobs, recalls).await;
                (Origin::Lane(lane), count)
            }
            .boxed(),
        );
    }
}
