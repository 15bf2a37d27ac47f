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
use super::key_table::{Admission, KeyTable};
use super::pass::Caller;
use crate::contract::{Closed, Dispatcher, Outcome, Route, SameKey, Sink, Work};

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
            lanes: (0..lanes).map(|_| Lane::default()).collect(),
            calls: FuturesUnordered::new(),
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

#[derive(Default)]
struct Lane {
    queue: VecDeque<Job>,
    busy: bool,
}

struct Runner {
    shared: Arc<Calls>,
    lanes: Vec<Lane>,
    calls: FuturesUnordered<BoxFuture<'static, (Origin, usize)>>,
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

    fn start_chain(&mut self, caller: Caller, jobs: Vec<Job>) {
        let shared = Arc::clone(&self.shared);
        self.calls.push(
            async move {
                let count = jobs.len();
                shared.run_chain(caller, jobs).await;
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

    /// Takes the next call's records off a lane's queue and sends them.
    fn start_lane(&mut self, lane: usize) {
        let limits = self.shared.limits();
        let queue = &mut self.lanes[lane].queue;
        let mut jobs: Vec<Job> = Vec::new();
        let mut bytes = 0;
        let mut settled = 0;
        while jobs.len() < limits.max_records.max(1) {
            let Some(next) = queue.front() else { break };
            let (key, size) = (next.record.key(), next.record.size());
            // One that cannot be sent goes alone, so that it takes no other with it.
            let is_alone = next.record.fault().is_some() || size > limits.max_bytes;
            let fits = jobs.is_empty() || (bytes + size <= limits.max_bytes && !is_alone);
            let repeats = jobs.iter().any(|job| job.record.key() == key);
            if !fits || (repeats && limits.same_key == SameKey::OncePerCall) {
                break;
            }
            let Some(job) = queue.pop_front() else { break };
            match self.shared.keys().admit(key) {
                Admission::Behind => {
                    settled += 1;
                    job.settle(Outcome::Behind, None);
                }
                Admission::Send => {
                    bytes += size;
                    jobs.push(job);
                    if is_alone {
                        break;
                    }
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
                shared.run_call(jobs).await;
                (Origin::Lane(lane), count)
            }
            .boxed(),
        );
    }
}
