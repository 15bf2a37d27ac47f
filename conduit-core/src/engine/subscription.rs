//! One collection's records on their way to one destination.

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::budget::Share;
use super::command::Command;
use super::context::Context;
use super::dead_count::DeadCount;
use super::draft::{Attempts, Draft};
use super::feed::Recovery;
use super::in_hand::{InHand, Progress, Retry};
use super::letter_work::LetterWork;
use super::phase::SubscriptionPhase;
use super::reading::Reading;
use super::retry_queue::{Load, RetryQueue};
use super::spec::{Filter, SubscriptionSpec};
use super::status::StatusCell;
use super::stop::StopSignal;
use super::tracker::Tracker;
use super::vitals::{Awaited, Vitals};
use crate::contract::{
    Dispatcher, Lease, RetryId, SettledAs, Settlement, StateError, StateErrorKind, SubscriptionState,
    WatchTarget,
};
use crate::delivery::{Endpoint, Gate, Health, KeyTable, Lanes, LeaseGuard, RetryPolicy, sleep_until};
use crate::value::{Position, Record, Sequence, SubscriptionId, WallTime};

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

pub(super) type Loaded = Result<Vec<Vec<Retry>>, End>;

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
    /// How many records a call holds at most.
    pub(super) call_records: usize,
    /// How much of the retry queue is sent at the same time.
    pub(super) max_load: Load,
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
    pub(super) reading: Reading,
    /// What is behind the position and needs nothing when it is read.
    pub(super) settled: HashSet<Sequence>,
    pub(super) recovery: Recovery,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) health: watch::Receiver<Health>,
    pub(super) target: WatchTarget,
    pub(super) filter: Option<Arc<dyn Filter>>,
    pub(super) dead_count: Arc<DeadCount>,
    pub(super) letter_work: LetterWork,
    pub(super) vitals: Arc<Vitals>,
    share: Share,
    /// Whether somebody looked on when it was last asked.
    is_followed: bool,
    commands: mpsc::Receiver<Command>,
}

/// How many outcomes are taken before everything else gets a look again.
const MAX_OUTCOMES_A_TURN: usize = 1024;
/// How often room for dead letters is looked for.
const FULL_POLL: Duration = Duration::from_secs(1);
/// So many keys that wait after a failure say, at the start, that the destination may be failing as a whole.
const SUSPICIOUS_KEYS: usize = 20;

impl Subscription {
    /// Builds the task's state from what the store knows, and begins to read.
    pub(crate) fn start(
        context: Arc<Context>,
        (lease, guard): (Lease, Arc<LeaseGuard>),
        (target, spec): (&WatchTarget, &SubscriptionSpec),
        state: SubscriptionState,
        (status, dead_count): (Arc<StatusCell>, Arc<DeadCount>),
        commands: mpsc::Receiver<Command>,
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
        let endpoint = context.endpoints.make(spec.sink.endpoint(), id.clone());
        let tried = retries.tried_keys();
        if tried >= SUSPICIOUS_KEYS {
            endpoint.suspect(tried);
        }
        let gate = Arc::new(Gate::new(Arc::clone(&guard)));
        let vitals = Vitals::new(
            Arc::clone(&gate),
            settings.stuck_after,
            spec.sink.limits().timeout,
        );
        status.set_vitals(Some(Arc::clone(&vitals)));
        // Room for more than is ever submitted, so that submitting never waits.
        let room = 2 * (settings.max_in_flight_records + settings.read_limits().max_records) + 100_000;
        let lanes = Lanes::start(
            Arc::clone(&spec.sink),
            (gate, Arc::clone(&endpoint)),
            Arc::clone(&keys),
            room,
        );
        // Nothing was ever committed: the stream is new, or the store lost what it knew. Then the processed ids, which may
        // have outlived it, say what not to deliver again.
        let recovery = if state.last_commit == 0 {
            Recovery::Begins
        } else {
            Recovery::Over
        };
        status.set_phase(SubscriptionPhase::Starting, None, context.clock.now());
        status.set_counts(retries.len(), Some(state.dead_letters));
        status.set_position(&state.position, retries.oldest(), Some(state.generation));
        let seed = context.seed_for(&id);
        let limits = spec.sink.limits();
        let call_records = limits.max_records.max(1);
        let mut subscription = Self {
            guard,
            lease,
            policy: spec.retry.clone(),
            keys,
            dispatcher: Arc::new(lanes),
            call_records,
            max_load: Load {
                places: (limits.concurrency / 4).max(1) * call_records,
                bytes: context.settings.max_retry_bytes,
            },
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
            reading: Reading::Off,
            settled: state.settled_ahead.into_iter().collect(),
            recovery,
            health: endpoint.health(),
            endpoint,
            target: target.clone(),
            filter: spec.filter.clone(),
            dead_count,
            letter_work: LetterWork::default(),
            vitals,
            share: context.budget.take_part(),
            is_followed: false,
            commands,
            status,
            id,
            context,
        };
        subscription.follow_health();
        subscription
    }

    /// Runs until told to stop, or until it cannot go on.
    pub(crate) async fn run(mut self, mut stop: StopSignal) -> End {
        let guard = Arc::clone(&self.guard);
        let mut lost = pin!(guard.lost());
        let end = loop {
            // Before the commit, which it has to wait for.
            if let Err(end) = self.go_on_with_command().await {
                break end;
            }
            self.start_commit();
            if let Err(end) = self.start_retries().await {
                break end;
            }
            let can_read = self.has_room();
            self.publish(can_read);
            let wake = self.next_wake();
            // In this order: the end of all; answers of the store, which free room; outcomes, which free the lanes; what the
            // destination does and what operators want; new records last, so that memory is given back before more is taken.
            let turn = tokio::select! {
                biased;
                deadline = stop.stopped() => break tokio::select! {
                    biased;
                    () = &mut lost => End::Fenced,
                    end = self.finish(deadline) => end,
                },
                () = &mut lost => break End::Fenced,
                Some(committed) = poll_opt(&mut self.committing) => self.on_committed(committed),
                Some(loaded) = poll_opt(&mut self.loading) => self.on_loaded(loaded).await,
                progress = self.in_hand.next(), if !self.in_hand.is_empty() => self.on_progress(progress).await,
                // The endpoint, which sends it, is held here.
                _ = self.health.changed() => {
                    self.follow_health();
                    Ok(())
                }
                Some(command) = self.commands.recv(), if self.letter_work.is_idle() => {
                    self.begin_command(command);
                    Ok(())
                }
                () = sleep_until(wake) => {
                    self.endpoint.try_stream();
                    Ok(())
                }
                event = self.reading.next(), if can_read => self.on_feed(event).await,
            };
            if let Err(end) = turn {
                break end;
            }
        };
        self.status.set_vitals(None);
        self.reading.stop();
        // Nothing of it may still be in hand when somebody starts again.
        self.dispatcher.drain(Instant::now()).await;
        match end {
            End::Reload(why) | End::Halted(why) if self.committing.is_some() => End::Uncertain(why),
            end => end,
        }
    }

    /// Whether more may be read: every bound of memory and of the store is kept here.
    fn has_room(&self) -> bool {
        let settings = &self.context.settings;
        // While it is only tried whether the destination answers, one batch is enough.
        let most = match *self.health.borrow() {
            Health::Serving => settings.max_in_flight_records,
            Health::Trying(_) | Health::Held(_) => 1,
        };
        !self.dead_count.is_full()
            && self.tracker.unsettled() < most
            && self.tracker.unsettled_bytes() < settings.max_in_flight_bytes.min(self.share.bytes())
            && self.tracker.len() < settings.max_ahead
            && self.draft.len() < settings.max_ahead
            && self.contents_bytes < settings.max_in_flight_bytes
            && self.retries.len() < settings.max_waiting_records
            && self.retries.bytes() < settings.max_waiting_bytes
    }

    fn next_wake(&self) -> Option<Instant> {
        let can_retry = self.loading.is_none() && self.can_retry();
        let retry = self
            .retries
            .next_due()
            .filter(|_| can_retry)
            .map(|due| Instant::now() + due.since(self.context.clock.now()));
        let moved = self.committing.is_none() && self.tracker.position() > &self.committed;
        let idle = moved.then(|| self.last_commit_at + self.context.settings.idle_commit_interval);
        let trial = self.endpoint.next_trial();
        // Another subscription of the collection may have made room for dead letters.
        let room = self.dead_count.is_full().then(|| Instant::now() + FULL_POLL);
        retry.into_iter().chain(idle).chain(trial).chain(room).min()
    }

    /// Settles an outcome and whatever else is ready. Other tasks have a turn first, so that under load there is more of it:
    /// what comes after costs the same for one outcome as for many.
    async fn on_progress(&mut self, first: Progress) -> Result<(), End> {
        tokio::task::yield_now().await;
        let now = self.context.clock.now();
        self.vitals.came(Awaited::Outcome);
        self.ask_who_follows();
        self.settle(first, now)?;
        for _ in 0..MAX_OUTCOMES_A_TURN {
            match self.in_hand.try_next() {
                Some(progress) => self.settle(progress, now)?,
                None => break,
            }
        }
        self.follow_reading();
        Ok(())
    }

    pub(super) fn oldest_open(&self) -> Option<WallTime> {
        self.tracker
            .oldest_unsettled()
            .into_iter()
            .chain(self.retries.oldest())
            .min()
    }

    fn publish(&mut self, can_read: bool) {
        self.share.set_busy(self.tracker.unsettled() > 0);
        self.status.set_counts(self.retries.len(), None);
        self.status.set_progress(None, None, self.oldest_open());
        self.status.set_full(self.dead_count.is_full());
        let of_source = self.reading.awaited().filter(|_| can_read);
        self.vitals.wait_for(|awaited| match awaited {
            Awaited::Commit => self.committing.is_some(),
            Awaited::Contents => self.loading.is_some(),
            Awaited::Outcome => !self.in_hand.is_empty(),
            Awaited::Change | Awaited::Turn => of_source == Some(awaited),
        });
    }

    /// Asks whether records are to be told of one by one; often enough that whoever begins to look on sees the next ones.
    pub(super) fn ask_who_follows(&mut self) {
        self.is_followed = self.context.observer.is_followed(&self.id.collection);
    }

    /// Counts what became of a record, by which of its attempts, and tells the host.
    pub(super) fn observe(
        &self,
        record: &Record,
        (settled, attempt): (SettledAs, u32),
        took: Option<Duration>,
        at: WallTime,
        error: Option<&str>,
    ) {
        self.status.count(settled, error, at);
        let settlement = Settlement {
            subscription: &self.id,
            record,
            settled,
            attempt,
            took,
            at,
            error,
        };
        self.context.observer.settled(&settlement);
        if self.is_followed {
            self.context.observer.followed(&settlement);
        }
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
pub(super) async fn poll_opt<T>(future: &mut Option<BoxFuture<'static, T>>) -> Option<T> {
    let value = future.as_mut()?.await;
    *future = None;
    Some(value)
}
