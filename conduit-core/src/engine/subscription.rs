//! One collection's records on their way to one destination.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::context::Context;
use super::draft::{Attempts, Draft};
use super::feed::{Feed, FeedEvent, Needs, Recovery};
use super::in_hand::{InHand, Progress, Retry};
use super::retry_queue::RetryQueue;
use super::spec::SubscriptionSpec;
use super::status::{StatusCell, SubscriptionPhase};
use super::stop::StopSignal;
use super::tracker::{Arrival, Tracker};
use crate::contract::{
    BatchLimits, Dispatcher, Lease, RetryId, SettledAs, Settlement, StateError, StateErrorKind,
    SubscriptionState, WatchTarget,
};
use crate::delivery::{Gate, KeyTable, Lanes, LeaseGuard, RetryPolicy};
use crate::value::{Position, Record, RecordKey, SubscriptionId, WallTime};

/// Why a subscription ended.
#[derive(Debug)]
pub(crate) enum End {
    /// It was told to; everything that settled is committed.
    Stopped,
    /// Another worker took the lease.
    Fenced,
    /// Its memory and the store do not agree, or a part of it died: load the state and start again.
    Reload(String),
    /// It ended while it was not known what became of a commit, which may still come to the store: only under a new lease,
    /// which fences that commit, may it start again.
    Uncertain(String),
    /// It cannot go on without an operator.
    Halted(String),
}

/// The result of a commit: the ids whose contents the store has now, and the committed position.
pub(super) struct Committed {
    pub(super) stored: Vec<RetryId>,
    pub(super) position: Position,
    pub(super) result: Result<(), StateError>,
}

pub(super) type Loaded = Result<Vec<(RecordKey, Vec<Retry>)>, End>;

/// The task of a subscription: the one owner of its tracker, retry queue and draft commit.
///
/// It reads (through its feed), submits to the lanes, settles what comes back, runs retries when they are due, and has
/// one commit in flight at a time. It never waits for anything but the next of these events.
pub(crate) struct Subscription {
    pub(super) context: Arc<Context>,
    pub(super) id: SubscriptionId,
    pub(super) lease: Lease,
    pub(super) guard: Arc<LeaseGuard>,
    pub(super) status: Arc<StatusCell>,
    pub(super) policy: RetryPolicy,
    pub(super) keys: Arc<KeyTable>,
    pub(super) dispatcher: Arc<dyn Dispatcher>,
    pub(super) max_chains: usize,
    pub(super) tracker: Tracker,
    pub(super) retries: RetryQueue,
    pub(super) draft: Draft,
    pub(super) committed: Position,
    pub(super) last_commit: u64,
    pub(super) last_commit_at: Instant,
    /// Waiting records that the store does not have yet, or not with these attempts.
    pub(super) contents: HashMap<RetryId, (Arc<Record>, Attempts)>,
    pub(super) contents_bytes: usize,
    pub(super) in_hand: InHand,
    pub(super) committing: Option<BoxFuture<'static, Committed>>,
    pub(super) loading: Option<BoxFuture<'static, Loaded>>,
    pub(super) rng: fastrand::Rng,
    feed: Option<(mpsc::Receiver<FeedEvent>, JoinHandle<()>)>,
    is_reading: bool,
}

/// What one read brings at most.
const READ_LIMITS: BatchLimits = BatchLimits {
    max_records: 1000,
    max_bytes: 4 * 1024 * 1024,
    max_wait: Duration::from_secs(1),
};
/// How many outcomes are taken before everything else gets a look again.
const MAX_OUTCOMES_A_TURN: usize = 1024;
/// A stream that is behind by more than this is catching up.
const CATCHING_UP_AFTER: Duration = Duration::from_secs(10);

impl Subscription {
    /// Builds the task's state from what the store knows, and begins to read.
    pub(crate) fn start(
        context: Arc<Context>,
        (lease, guard): (Lease, Arc<LeaseGuard>),
        target: &WatchTarget,
        spec: &SubscriptionSpec,
        state: SubscriptionState,
        status: Arc<StatusCell>,
    ) -> Self {
        let id = SubscriptionId {
            collection: target.collection.clone(),
            destination: spec.id.clone(),
        };
        let settings = &context.settings;
        let retries = RetryQueue::new(state.waiting);
        let keys = Arc::new(KeyTable::new(
            spec.retry.max_retries,
            retries.keys(),
            state.poisoned,
        ));
        let gate = Arc::new(Gate::new(Arc::clone(&guard)));
        // Room for more than is ever submitted, so that submitting never waits.
        let room = 2 * (settings.max_in_flight_records + READ_LIMITS.max_records) + 100_000;
        let lanes = Lanes::start(Arc::clone(&spec.sink), gate, Arc::clone(&keys), room);
        let feed = Feed {
            id: id.clone(),
            watcher: Arc::clone(&context.watcher),
            store: Arc::clone(&context.store),
            target: target.clone(),
            filter: spec.filter.clone(),
            settled_ahead: state.settled_ahead.into_iter().collect(),
            // Nothing was ever committed: the stream is new, or the store lost what it knew. Then the processed ids, which
            // may have outlived it, say what not to deliver again.
            recovery: if state.last_commit == 0 {
                Recovery::Begins
            } else {
                Recovery::Over
            },
            limits: READ_LIMITS,
        };
        // One batch waits here while the next is being read.
        let (events, feed_events) = mpsc::channel(1);
        let reader = tokio::spawn(feed.run(state.position.clone(), events));
        status.set_phase(SubscriptionPhase::Starting, None, context.clock.now());
        status.set_counts(retries.len(), Some(state.dead_letters));
        status.set_position(&state.position);
        let seed = context.seed_for(&id);
        Self {
            guard,
            lease,
            policy: spec.retry.clone(),
            keys,
            dispatcher: Arc::new(lanes),
            max_chains: (spec.sink.limits().concurrency / 4).max(1),
            tracker: Tracker::new(state.position.clone()),
            retries,
            draft: Draft::default(),
            committed: state.position,
            last_commit: state.last_commit,
            last_commit_at: Instant::now(),
            contents: HashMap::new(),
            contents_bytes: 0,
            in_hand: InHand::default(),
            committing: None,
            loading: None,
            rng: fastrand::Rng::with_seed(seed),
            feed: Some((feed_events, reader)),
            is_reading: true,
            status,
            id,
            context,
        }
    }

    /// Runs until told to stop, or until it cannot go on.
    pub(crate) async fn run(mut self, mut stop: StopSignal) -> End {
        let guard = Arc::clone(&self.guard);
        let mut lost = pin!(guard.lost());
        let end = loop {
            self.start_commit();
            if let Err(end) = self.start_retries().await {
                break end;
            }
            self.publish();
            let wake = self.next_wake();
            let can_read = self.is_reading && self.has_room();
            // In this order: the end of all; answers of the store, which free room; outcomes, which free the lanes; new
            // records last, so that memory is given back before more is taken.
            let turn = tokio::select! {
                biased;
                deadline = stop.stopped() => break self.finish(deadline).await,
                () = &mut lost => break End::Fenced,
                Some(committed) = poll_opt(&mut self.committing) => self.on_committed(committed),
                Some(loaded) = poll_opt(&mut self.loading) => self.on_loaded(loaded).await,
                progress = self.in_hand.next(), if !self.in_hand.is_empty() => self.on_progress(progress),
                () = sleep_until(wake) => Ok(()),
                event = next_event(&mut self.feed), if can_read => self.on_feed(event).await,
            };
            if let Err(end) = turn {
                break end;
            }
        };
        self.stop_reading().await;
        match end {
            End::Reload(why) if self.committing.is_some() => End::Uncertain(why),
            end => end,
        }
    }

    /// Whether more may be read: every bound of memory and of the store is kept here.
    fn has_room(&self) -> bool {
        let settings = &self.context.settings;
        self.tracker.unsettled() < settings.max_in_flight_records
            && self.tracker.unsettled_bytes() < settings.max_in_flight_bytes
            && self.tracker.len() < settings.max_ahead
            && self.draft.len() < settings.max_ahead
            && self.contents_bytes < settings.max_in_flight_bytes
            && self.retries.len() < settings.max_waiting_records
            && self.retries.bytes() < settings.max_waiting_bytes
    }

    fn next_wake(&self) -> Option<Instant> {
        let can_retry = self.loading.is_none() && self.retries.running() < self.max_chains;
        let retry = self
            .retries
            .next_due()
            .filter(|_| can_retry)
            .map(|due| Instant::now() + due.since(self.context.clock.now()));
        let moved = self.committing.is_none() && self.tracker.position() > &self.committed;
        let idle = moved.then(|| self.last_commit_at + self.context.settings.idle_commit_interval);
        retry.into_iter().chain(idle).min()
    }

    async fn on_feed(&mut self, event: Option<FeedEvent>) -> Result<(), End> {
        let now = self.context.clock.now();
        match event {
            Some(FeedEvent::Batch {
                records,
                position,
                reached_end,
            }) => {
                self.note_reading(
                    records.last().map(|(record, _)| &**record),
                    &position,
                    reached_end,
                    now,
                );
                self.admit(records, position, now).await
            }
            Some(FeedEvent::Interrupted(message)) => {
                self.status.reopened();
                self.status
                    .set_phase(SubscriptionPhase::Starting, Some(message), now);
                Ok(())
            }
            Some(FeedEvent::HistoryLost) => {
                self.is_reading = false;
                self.status
                    .set_phase(SubscriptionPhase::Halted, Some("history_lost".to_owned()), now);
                Ok(())
            }
            None => Err(End::Reload("the reading task died".to_owned())),
        }
    }

    fn note_reading(&self, last: Option<&Record>, position: &Position, reached_end: bool, now: WallTime) {
        let read_at = last.map_or_else(|| position.time().wall_time(), Record::timestamp);
        let phase = if reached_end || now.since(read_at) < CATCHING_UP_AFTER {
            SubscriptionPhase::Streaming
        } else {
            SubscriptionPhase::CatchingUp
        };
        self.status.set_phase(phase, None, now);
        self.status
            .set_progress(Some(reached_end), Some(read_at), self.oldest_open());
    }

    async fn admit(
        &mut self,
        records: Vec<(Arc<Record>, Needs)>,
        position: Position,
        now: WallTime,
    ) -> Result<(), End> {
        self.tracker.begin_batch(position.stream());
        let mut work = Vec::with_capacity(records.len());
        for (record, needs) in records {
            let arrival = if needs == Needs::Delivery {
                Arrival::Unsettled
            } else {
                Arrival::Settled
            };
            let index = self.tracker.push(&record, arrival);
            match needs {
                Needs::Delivery => work.push((index, record)),
                Needs::NothingFiltered => self.observe(&record, SettledAs::Filtered, None, now, None),
                Needs::NothingDone => {}
            }
        }
        self.tracker.end_batch(position);
        if work.is_empty() {
            return Ok(());
        }
        let work = self.in_hand.lanes(work);
        let submitted = self.dispatcher.submit(work).await;
        submitted.map_err(|closed| End::Reload(closed.to_string()))
    }

    /// Settles an outcome and whatever else is ready.
    fn on_progress(&mut self, first: Progress) -> Result<(), End> {
        self.settle(first)?;
        for _ in 0..MAX_OUTCOMES_A_TURN {
            match self.in_hand.try_next() {
                Some(progress) => self.settle(progress)?,
                None => break,
            }
        }
        Ok(())
    }

    /// Stops reading, lets calls in hand finish, and commits everything that settled.
    async fn finish(&mut self, deadline: Instant) -> End {
        self.stop_reading().await;
        self.loading = None;
        self.dispatcher.drain(deadline).await;
        while let Some(progress) = self.in_hand.try_next() {
            self.settle_draining(progress);
        }
        let commits = async {
            loop {
                if let Some(committed) = poll_opt(&mut self.committing).await
                    && let Err(end) = self.on_committed(committed)
                {
                    return end;
                }
                self.start_commit();
                if self.committing.is_none() {
                    return End::Stopped;
                }
            }
        };
        // A store that does not answer cannot hold up the end for ever; what it did not get comes again.
        let patience = deadline.max(Instant::now() + Duration::from_secs(1));
        match tokio::time::timeout_at(patience, commits).await {
            Ok(end) => end,
            Err(_elapsed) => {
                let why = "stopped without the last commit: some records will come again";
                tracing::warn!(subscription = %self.id, why);
                End::Uncertain(why.to_owned())
            }
        }
    }

    async fn stop_reading(&mut self) {
        self.is_reading = false;
        if let Some((events, reader)) = self.feed.take() {
            drop(events);
            reader.abort();
            // Aborting is how it ends; its streams are safe to drop.
            let _ = reader.await;
        }
    }

    pub(super) fn oldest_open(&self) -> Option<WallTime> {
        self.tracker
            .oldest_unsettled()
            .into_iter()
            .chain(self.retries.oldest())
            .min()
    }

    fn publish(&self) {
        self.status.set_counts(self.retries.len(), None);
        self.status.set_progress(None, None, self.oldest_open());
    }

    /// Counts what became of a record, and tells the host.
    pub(super) fn observe(
        &self,
        record: &Record,
        settled: SettledAs,
        took: Option<Duration>,
        at: WallTime,
        error: Option<&str>,
    ) {
        self.status.count(settled, error, at);
        let settlement = Settlement {
            subscription: &self.id,
            record,
            settled,
            took,
            at,
            error,
        };
        self.context.observer.settled(&settlement);
    }

    pub(super) fn end_of(&self, error: &StateError) -> End {
        match error.kind() {
            StateErrorKind::Fenced | StateErrorKind::Held => End::Fenced,
            StateErrorKind::Conflict | StateErrorKind::Unavailable => End::Reload(error.to_string()),
            _ => End::Halted(error.to_string()),
        }
    }
}

/// Waits for an optional future and takes it away when it is done; never ends while there is none.
async fn poll_opt<T>(future: &mut Option<BoxFuture<'static, T>>) -> Option<T> {
    let value = future.as_mut()?.await;
    *future = None;
    Some(value)
}

async fn next_event(feed: &mut Option<(mpsc::Receiver<FeedEvent>, JoinHandle<()>)>) -> Option<FeedEvent> {
    feed.as_mut()?.0.recv().await
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
