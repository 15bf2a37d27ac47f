//! The engine's dispatcher: lanes by key.

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
use super::lane_queue::LaneQueue;
use super::pass::Caller;
use super::sleep::sleep_until;
use crate::contract::{Closed, Dispatcher, Outcome, Route, Sink, Work};
use crate::value::RecordKey;

/// Carries records to one sink: records of a key in order in one lane, lanes side by side, chains of waiting records
/// beside them.
///
/// A lane is in one call at a time, which several lanes may share, and outlives pieces of work, so order holds between
/// them. A key is parked the moment its record fails; what follows of it settles as [`Outcome::Behind`] without being sent.
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

/// What a finished call leaves.
struct Finished {
    /// How many records it settled.
    settled: usize,
    /// The lanes that it had in hand; none if it was a chain.
    lanes: Vec<RecordKey>,
    route: Route,
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
        let shared = Arc::new(Calls::new(sink, (gate, endpoint), keys));
        let runner = Runner {
            queue: LaneQueue::new(shared.limits()),
            shared,
            calls: FuturesUnordered::new(),
            lane_calls: 0,
            most_lane_calls: concurrency - kept_for_chains(concurrency),
            lingers_until: None,
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

/// Some calls are kept for chains, so that lanes that hang do not stop all retries; of the others a chain that asks gets the
/// next one that ends. How many chains may have is another matter: see `Calls`.
fn kept_for_chains(concurrency: usize) -> usize {
    match concurrency {
        0..4 => 0,
        4..32 => 1,
        32.. => concurrency / 16,
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

struct Runner {
    shared: Arc<Calls>,
    queue: LaneQueue,
    calls: FuturesUnordered<BoxFuture<'static, Finished>>,
    /// How many of the calls are of lanes, and the most there may be.
    lane_calls: usize,
    most_lane_calls: usize,
    /// The next call waits for more records until then.
    lingers_until: Option<Instant>,
    room: Arc<Semaphore>,
}

impl Runner {
    async fn run(
        mut self,
        mut input: mpsc::UnboundedReceiver<Input>,
        mut deadline: watch::Receiver<Option<Instant>>,
    ) {
        loop {
            let lingers_until = self.lingers_until;
            // Stop first, so that a drain is not held up by work; finished calls before new work, so that lanes
            // do not idle.
            tokio::select! {
                biased;
                changed = deadline.changed() => match changed {
                    Ok(()) => break,
                    // Whoever went without a word gives no time: its records are unsettled, which is safe.
                    Err(_gone) => return,
                },
                Some(finished) = self.calls.next(), if !self.calls.is_empty() => {
                    self.finish(finished);
                    while let Some(Some(finished)) = self.calls.next().now_or_never() {
                        self.finish(finished);
                    }
                }
                () = sleep_until(lingers_until), if lingers_until.is_some() => {}
                Some(input) = input.recv() => match input {
                    Input::Work(work) => self.accept(work),
                    Input::Recall => self.recall(),
                },
                else => return,
            }
            self.start_calls();
        }
        self.shared.gate().close();
        input.close();
        drop(self.queue.drain());
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
        let now = Instant::now();
        let jobs = work
            .records
            .into_iter()
            .map(|(record, receipt)| Job::new(record, receipt, now));
        match work.route {
            Route::Chain => self.start_chain(Caller::Chain, jobs.collect()),
            Route::Probe => self.start_chain(Caller::Probe, jobs.collect()),
            Route::Lanes => jobs.for_each(|job| self.queue.push(job)),
        }
    }

    fn start_chain(&mut self, caller: Caller, jobs: Vec<Job>) {
        let (shared, since) = (Arc::clone(&self.shared), self.shared.recalls());
        self.calls.push(
            async move {
                let settled = jobs.len();
                shared.run_chain(caller, jobs, since).await;
                Finished {
                    settled,
                    lanes: Vec::new(),
                    route: Route::Chain,
                }
            }
            .boxed(),
        );
    }

    fn finish(&mut self, finished: Finished) {
        self.room.add_permits(finished.settled);
        if finished.route == Route::Lanes {
            self.lane_calls -= 1;
        }
        for lane in finished.lanes {
            self.queue.release(lane);
        }
    }

    /// Gives back everything that is not being sent.
    fn recall(&mut self) {
        self.room.add_permits(self.queue.len());
        for job in self.queue.drain() {
            job.settle(Outcome::Recalled, None);
        }
        self.shared.recall();
    }

    /// Sends what waits, in as many calls as there may be; waits for more first if the destination wants that.
    fn start_calls(&mut self) {
        self.lingers_until = None;
        while self.lane_calls < self.most_lane_calls && self.queue.len() > 0 {
            self.lingers_until = self.queue.lingers();
            if self.lingers_until.is_some() {
                return;
            }
            let queued = self.queue.len();
            let jobs = self.queue.take(|key| self.shared.keys().admit(key));
            self.room.add_permits(queued - self.queue.len() - jobs.len());
            if jobs.is_empty() {
                return;
            }
            self.start_call(jobs);
        }
    }

    fn start_call(&mut self, jobs: Vec<Job>) {
        self.lane_calls += 1;
        let (shared, since) = (Arc::clone(&self.shared), self.shared.recalls());
        self.calls.push(
            async move {
                let lanes: Vec<RecordKey> = jobs.iter().map(|job| job.record.key()).collect();
                let settled = jobs.len();
                shared.run_lane(jobs, since).await;
                Finished {
                    settled,
                    lanes,
                    route: Route::Lanes,
                }
            }
            .boxed(),
        );
    }
}
