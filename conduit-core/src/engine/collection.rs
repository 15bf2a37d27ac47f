//! Runs the subscriptions of one collection while this worker holds its lease.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::board::Board;
use super::context::Context;
use super::lease_keeper::LeaseKeeper;
use super::spec::{CollectionSpec, SubscriptionSpec};
use super::status::{StatusCell, SubscriptionPhase};
use super::stop::{StopSignal, StopSource};
use super::subscription::{End, Subscription};
use crate::contract::{
    Lease, OpenRequest, Opened, StateError, StateErrorKind, SubscriptionStart, SubscriptionState,
};
use crate::delivery::LeaseGuard;
use crate::value::{ClusterTime, CollectionName, DestinationId, SubscriptionId, WorkerId};

/// How often a held lease is asked for at least.
const LEASE_POLL: Duration = Duration::from_secs(1);
/// How long to wait before a subscription that ended by itself is started again.
const RESTART_WAIT: Duration = Duration::from_millis(500);
/// How long the other subscriptions of a collection may finish what they have in hand when one of them was fenced.
const FENCED_DRAIN: Duration = Duration::from_secs(1);

/// Takes the lease of a collection, keeps its subscriptions as the newest spec has them, gives the lease back.
pub(crate) struct CollectionRunner {
    pub(crate) context: Arc<Context>,
    pub(crate) keeper: Arc<LeaseKeeper>,
    pub(crate) board: Arc<Board>,
    pub(crate) name: CollectionName,
    pub(crate) spec: watch::Receiver<CollectionSpec>,
}

/// A subscription that runs, or is on its way to its end.
struct Running {
    spec: SubscriptionSpec,
    stop: StopSource,
    state: RunState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum RunState {
    Running,
    /// Told to stop; its task has not ended yet.
    Stopping,
    /// Its task has ended and nothing starts it until its spec changes.
    Halted,
}

/// The subscriptions of a collection under one lease.
struct Tenure {
    lease: Lease,
    guard: Arc<LeaseGuard>,
    running: HashMap<DestinationId, Running>,
    tasks: JoinSet<(DestinationId, End)>,
    target: crate::contract::WatchTarget,
}

enum Next {
    /// Told to stop.
    Stop,
    /// The lease is gone, or not needed while there is nothing to run.
    Again,
}

impl CollectionRunner {
    /// Runs until told to stop.
    pub(crate) async fn run(mut self, mut stop: StopSignal) {
        loop {
            if self.spec.borrow_and_update().subscriptions.is_empty() {
                tokio::select! {
                    _ = stop.stopped() => break,
                    changed = self.spec.changed() => if changed.is_err() { break },
                }
                continue;
            }
            let opened = tokio::select! {
                _ = stop.stopped() => break,
                opened = self.acquire() => opened,
            };
            let Some((tenure, states)) = opened else { continue };
            if let Next::Stop = self.hold(tenure, states, &mut stop).await {
                break;
            }
        }
        self.board.remove(&self.name);
    }

    /// Asks for the lease until it is taken; `None` if the spec changed meanwhile.
    async fn acquire(&mut self) -> Option<(Tenure, Vec<SubscriptionState>)> {
        let spec = self.spec.borrow_and_update().clone();
        let mut backoff = Backoff::default();
        let mut evict = None;
        loop {
            let asked = Instant::now();
            let opened = match self.starts(&spec.subscriptions).await {
                Ok(subscriptions) => {
                    self.context
                        .store
                        .open(&self.request(subscriptions, evict.take()))
                        .await
                }
                Err(error) => Err(error),
            };
            let wait = match opened {
                Ok(Opened::Taken {
                    lease,
                    states,
                    others,
                }) => {
                    self.forget_others(others).await;
                    self.board.set_holder(&self.name, Some(lease.worker.clone()));
                    tracing::info!(collection = %self.name, epoch = lease.epoch, "took the lease");
                    let guard = self.keeper.keep(&lease, asked);
                    let (running, tasks) = (HashMap::new(), JoinSet::new());
                    return Some((
                        Tenure {
                            lease,
                            guard,
                            running,
                            tasks,
                            target: spec.target,
                        },
                        states,
                    ));
                }
                Ok(Opened::Held { by, remaining }) => {
                    self.wait_for(&spec, &by);
                    if self.context.worker.knows_gone(&by) {
                        tracing::info!(collection = %self.name, holder = %by.short(), "the holder of the lease is gone: taking over");
                        evict = Some(by);
                        Duration::ZERO
                    } else {
                        remaining.min(LEASE_POLL) + Duration::from_millis(10)
                    }
                }
                Err(error) => {
                    self.report_trouble(&spec, &error, &backoff);
                    backoff.next()
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                changed = self.spec.changed() => return changed.ok().and(None),
            }
        }
    }

    fn request(&self, subscriptions: Vec<SubscriptionStart>, evict: Option<WorkerId>) -> OpenRequest {
        OpenRequest {
            collection: self.name.clone(),
            worker: self.context.worker.id().clone(),
            lease_time: self.context.settings.lease_time,
            evict,
            subscriptions,
        }
    }

    fn wait_for(&self, spec: &CollectionSpec, holder: &WorkerId) {
        self.board.set_holder(&self.name, Some(holder.clone()));
        let reason = format!("the lease is held by {}", holder.short());
        for subscription in &spec.subscriptions {
            let now = self.context.clock.now();
            self.cell(&subscription.id).set_phase(
                SubscriptionPhase::WaitingForLease,
                Some(reason.clone()),
                now,
            );
        }
    }

    fn report_trouble(&self, spec: &CollectionSpec, error: &StateError, backoff: &Backoff) {
        if !backoff.is_failing() {
            tracing::warn!(collection = %self.name, %error, source = ?std::error::Error::source(error).map(ToString::to_string), "cannot take the lease yet");
        }
        let phase = match error.kind() {
            StateErrorKind::Corrupt => SubscriptionPhase::Halted,
            _ => SubscriptionPhase::Starting,
        };
        for subscription in &spec.subscriptions {
            self.cell(&subscription.id)
                .set_phase(phase, Some(error.to_string()), self.context.clock.now());
        }
    }

    /// Where each subscription starts if the store does not know it.
    async fn starts(&self, subscriptions: &[SubscriptionSpec]) -> Result<Vec<SubscriptionStart>, StateError> {
        let mut now = None;
        let mut starts = Vec::with_capacity(subscriptions.len());
        for subscription in subscriptions {
            let start = match (subscription.start, now) {
                (Some(start), _) | (None, Some(start)) => start,
                (None, None) => *now.insert(self.source_now().await?),
            };
            let life = subscription.start.unwrap_or_default();
            starts.push(SubscriptionStart {
                destination: subscription.id.clone(),
                start,
                life,
            });
        }
        Ok(starts)
    }

    async fn source_now(&self) -> Result<ClusterTime, StateError> {
        let now = self.context.watcher.now().await;
        now.map_err(|error| StateError::unavailable("the source does not say its time").with_source(error))
    }

    /// A destination that was taken out of the collection while nobody watched loses its state.
    async fn forget_others(&self, others: Vec<DestinationId>) {
        for destination in others {
            self.forget(&destination).await;
        }
    }

    async fn forget(&self, destination: &DestinationId) {
        let id = self.id_of(destination);
        tracing::info!(subscription = %id, "the destination was removed: its position and waiting records are dropped");
        if let Err(error) = self.context.store.forget(&id).await {
            tracing::warn!(subscription = %id, %error, "the state is dropped at the next start");
        }
    }

    fn id_of(&self, destination: &DestinationId) -> SubscriptionId {
        SubscriptionId {
            collection: self.name.clone(),
            destination: destination.clone(),
        }
    }

    fn cell(&self, destination: &DestinationId) -> Arc<StatusCell> {
        let now = self.context.clock.now();
        self.board.cell(&self.name, destination, || {
            StatusCell::new(&self.id_of(destination), now)
        })
    }

    /// Runs subscriptions under the lease until it is lost, nothing is left to run, or the end.
    async fn hold(
        &mut self,
        mut tenure: Tenure,
        states: Vec<SubscriptionState>,
        stop: &mut StopSignal,
    ) -> Next {
        let spec = self.spec.borrow().clone();
        for state in states {
            let found = spec
                .subscriptions
                .iter()
                .find(|known| known.id == state.destination);
            if let Some(subscription) = found {
                self.start(&mut tenure, subscription, state).await;
            }
        }
        let guard = Arc::clone(&tenure.guard);
        loop {
            let idle = tokio::select! {
                // Dropping the other future is safe: what it began to load is loaded again, or not needed.
                deadline = stop.stopped() => {
                    self.end(tenure, deadline).await;
                    return Next::Stop;
                }
                idle = self.reconcile(&mut tenure) => idle,
            };
            if idle {
                self.end(tenure, Instant::now()).await;
                return Next::Again;
            }
            tokio::select! {
                deadline = stop.stopped() => {
                    self.end(tenure, deadline).await;
                    return Next::Stop;
                }
                () = guard.lost() => {
                    // Somebody else has the lease: nothing of ours may go out or be committed any more.
                    tenure.tasks.shutdown().await;
                    self.keeper.drop_lease(&self.name);
                    return Next::Again;
                }
                // A sender that is gone is followed by the stop signal.
                _ = self.spec.changed() => {}
                Some(ended) = tenure.tasks.join_next() => {
                    if self.on_ended(&mut tenure, ended).await {
                        self.end(tenure, Instant::now() + FENCED_DRAIN).await;
                        return Next::Again;
                    }
                }
            }
        }
    }

    /// Deals with a subscription that ended; `true` if the lease has to be taken anew.
    async fn on_ended(
        &self,
        tenure: &mut Tenure,
        ended: Result<(DestinationId, End), tokio::task::JoinError>,
    ) -> bool {
        let (destination, end) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                // Whose task it was is not known: those that have no task any more are started again.
                tracing::error!(collection = %self.name, %error, "a subscription died; starting again");
                return true;
            }
        };
        let id = self.id_of(&destination);
        match end {
            End::Stopped => {}
            End::Fenced => {
                tracing::warn!(subscription = %id, "fenced: another worker has the lease, or the state was dropped");
                return true;
            }
            End::Reload(why) => {
                tracing::warn!(subscription = %id, why, "starting again from the stored state");
                tokio::time::sleep(RESTART_WAIT).await;
            }
            End::Halted(why) => {
                tracing::error!(subscription = %id, why, "halted; it needs an operator");
                let now = self.context.clock.now();
                self.cell(&destination)
                    .set_phase(SubscriptionPhase::Halted, Some(why), now);
                if let Some(running) = tenure.running.get_mut(&destination) {
                    running.state = RunState::Halted;
                }
                return false;
            }
        }
        tenure.running.remove(&destination);
        if !self
            .spec
            .borrow()
            .subscriptions
            .iter()
            .any(|wanted| wanted.id == destination)
        {
            self.forget(&destination).await;
        }
        false
    }

    /// Makes what runs like the spec; `true` if there is nothing to run.
    async fn reconcile(&self, tenure: &mut Tenure) -> bool {
        let spec = self.spec.borrow().clone();
        let deadline = Instant::now() + self.context.settings.shutdown_timeout;
        let same_target = spec.target == tenure.target;
        tenure.running.retain(|id, running| {
            let wanted = spec.subscriptions.iter().find(|wanted| wanted.id == *id);
            let unchanged = wanted.is_some_and(|wanted| {
                wanted.revision == running.spec.revision && wanted.start == running.spec.start
            });
            if unchanged && same_target {
                return true;
            }
            if running.state == RunState::Running {
                running.state = RunState::Stopping;
                running.stop.stop(deadline);
            }
            running.state != RunState::Halted
        });
        if !same_target && tenure.running.is_empty() {
            tenure.target = spec.target.clone();
        }
        let is_wanted = |id: &DestinationId| spec.subscriptions.iter().any(|wanted| wanted.id == *id);
        self.board.retain(&self.name, is_wanted);
        if spec.target != tenure.target {
            return false;
        }
        let missing: Vec<SubscriptionSpec> = spec
            .subscriptions
            .iter()
            .filter(|wanted| !tenure.running.contains_key(&wanted.id))
            .cloned()
            .collect();
        if !missing.is_empty() {
            self.load_and_start(tenure, &missing).await;
        }
        tenure.running.is_empty() && spec.subscriptions.is_empty()
    }

    /// Loads states under the held lease and starts, asking until the store answers.
    async fn load_and_start(&self, tenure: &mut Tenure, missing: &[SubscriptionSpec]) {
        let mut backoff = Backoff::default();
        loop {
            let loaded = match self.starts(missing).await {
                Ok(starts) => self.context.store.load(&tenure.lease, &starts).await,
                Err(error) => Err(error),
            };
            match loaded {
                Ok(states) => {
                    for (subscription, state) in missing.iter().zip(states) {
                        self.start(tenure, subscription, state).await;
                    }
                    return;
                }
                Err(error) if error.kind() == StateErrorKind::Fenced => {
                    tenure.guard.lose();
                    return;
                }
                Err(error) => {
                    tracing::warn!(collection = %self.name, %error, "cannot load the state of a destination");
                    tokio::time::sleep(backoff.next()).await;
                }
            }
        }
    }

    async fn start(&self, tenure: &mut Tenure, spec: &SubscriptionSpec, state: SubscriptionState) {
        if state.is_new {
            tracing::info!(subscription = %self.id_of(&spec.id), position = ?state.position, "a new stream begins");
        }
        // Nothing was ever committed: the stream is new, or the store lost what it knew. Then the processed ids, which may
        // have outlived it, say what not to deliver again.
        let is_untouched = state.last_commit == 0;
        let recover_until = if is_untouched {
            self.context.watcher.now().await.ok()
        } else {
            None
        };
        let (stop, signal) = StopSource::new();
        let subscription = Subscription::start(
            Arc::clone(&self.context),
            (tenure.lease.clone(), Arc::clone(&tenure.guard)),
            &tenure.target,
            spec,
            state,
            recover_until,
            self.cell(&spec.id),
        );
        let destination = spec.id.clone();
        tenure
            .tasks
            .spawn(async move { (destination, subscription.run(signal).await) });
        tenure.running.insert(
            spec.id.clone(),
            Running {
                spec: spec.clone(),
                stop,
                state: RunState::Running,
            },
        );
    }

    /// Drains everything and gives the lease back.
    async fn end(&self, mut tenure: Tenure, deadline: Instant) {
        for running in tenure.running.values() {
            running.stop.stop(deadline);
        }
        while tenure.tasks.join_next().await.is_some() {}
        self.keeper.drop_lease(&self.name);
        self.board.set_holder(&self.name, None);
        if let Err(error) = self.context.store.release(&tenure.lease).await {
            tracing::warn!(collection = %self.name, %error, "the lease is not given back: it expires by itself");
        }
    }
}
