//! The subscriptions of one collection while this worker holds its lease.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::backoff::Backoff;
use super::collection::Scope;
use super::spec::{CollectionSpec, SubscriptionSpec};
use super::status::SubscriptionPhase;
use super::stop::StopSource;
use super::subscription::{End, Subscription};
use crate::contract::{Lease, StateError, StateErrorKind, SubscriptionState, WatchTarget};
use crate::delivery::LeaseGuard;
use crate::value::DestinationId;

/// How long to wait before a subscription that ended by itself is started again.
const RESTART_WAIT: Duration = Duration::from_millis(500);
/// So many updates of the spec after the lease was taken decide about state that the spec does not know: the first may
/// have been read before.
const UPDATES_THAT_DECIDE: u8 = 2;

/// A lease, and the tasks of the subscriptions that run under it.
pub(super) struct Tenure {
    scope: Arc<Scope>,
    pub(super) lease: Lease,
    pub(super) guard: Arc<LeaseGuard>,
    target: WatchTarget,
    running: HashMap<DestinationId, Running>,
    pub(super) tasks: JoinSet<(DestinationId, End)>,
    /// Subscriptions that the store knows and the spec, which may be older than their state, does not.
    strangers: Vec<DestinationId>,
    updates: u8,
}

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
    /// It has no task, and nothing starts it until its spec changes.
    Halted,
}

impl Tenure {
    pub(super) fn new(
        scope: Arc<Scope>,
        (lease, guard): (Lease, Arc<LeaseGuard>),
        target: WatchTarget,
        strangers: Vec<DestinationId>,
    ) -> Self {
        let (running, tasks) = (HashMap::new(), JoinSet::new());
        Self {
            scope,
            lease,
            guard,
            target,
            running,
            tasks,
            strangers,
            updates: 0,
        }
    }

    /// Starts what was loaded together with the lease, as the spec has it that it was loaded for.
    pub(super) fn start_all(&mut self, spec: &CollectionSpec, states: Vec<SubscriptionState>) {
        for state in states {
            let found = spec
                .subscriptions
                .iter()
                .find(|known| known.id == state.destination);
            if let Some(subscription) = found {
                self.start(subscription, state);
            }
        }
    }

    fn start(&mut self, spec: &SubscriptionSpec, state: SubscriptionState) {
        if state.is_new {
            let id = self.scope.id_of(&spec.id);
            tracing::info!(subscription = %id, position = ?state.position, "a new stream begins");
        }
        let (stop, signal) = StopSource::new();
        let subscription = Subscription::start(
            Arc::clone(&self.scope.context),
            (self.lease.clone(), Arc::clone(&self.guard)),
            &self.target,
            spec,
            state,
            self.scope.cell(&spec.id),
        );
        let destination = spec.id.clone();
        self.tasks
            .spawn(async move { (destination, subscription.run(signal).await) });
        self.running.insert(
            spec.id.clone(),
            Running {
                spec: spec.clone(),
                stop,
                state: RunState::Running,
            },
        );
    }

    /// Notes that the spec was updated.
    pub(super) fn spec_updated(&mut self) {
        self.updates = self.updates.saturating_add(1);
    }

    /// Makes what runs like the spec; `true` if there is nothing to run. Dropping the future is safe: what it began to load
    /// is loaded again, or not needed.
    pub(super) async fn reconcile(&mut self, spec: &CollectionSpec) -> bool {
        self.stop_changed(spec).await;
        self.forget_strangers(spec).await;
        if self.running.is_empty() {
            self.target = spec.target.clone();
        }
        if spec.target == self.target {
            let is_missing = |wanted: &&SubscriptionSpec| !self.running.contains_key(&wanted.id);
            let missing: Vec<SubscriptionSpec> =
                spec.subscriptions.iter().filter(is_missing).cloned().collect();
            self.load_and_start(&missing).await;
        }
        self.running.is_empty() && spec.subscriptions.is_empty()
    }

    /// Tells subscriptions to stop whose spec changed or is gone.
    async fn stop_changed(&mut self, spec: &CollectionSpec) {
        let deadline = Instant::now() + self.scope.context.settings.shutdown_timeout;
        let same_target = spec.target == self.target;
        let wanted = |id: &DestinationId| spec.subscriptions.iter().find(|wanted| wanted.id == *id);
        let mut halted = Vec::new();
        self.running.retain(|id, running| {
            let unchanged = wanted(id).is_some_and(|wanted| {
                wanted.revision == running.spec.revision && wanted.start == running.spec.start
            });
            if unchanged && same_target {
                return true;
            }
            if running.state == RunState::Running {
                running.state = RunState::Stopping;
                running.stop.stop(deadline);
            }
            if running.state == RunState::Halted {
                halted.push(id.clone());
            }
            running.state != RunState::Halted
        });
        self.scope
            .board
            .retain(&self.scope.name, |id| wanted(id).is_some());
        for id in halted.iter().filter(|id| wanted(id).is_none()) {
            self.scope.forget(id).await;
        }
    }

    /// A destination that was taken out of the collection while nobody watched loses its state, once that is sure.
    async fn forget_strangers(&mut self, spec: &CollectionSpec) {
        if self.strangers.is_empty() || self.updates < UPDATES_THAT_DECIDE {
            return;
        }
        let is_wanted = |id: &DestinationId| spec.subscriptions.iter().any(|wanted| wanted.id == *id);
        for stranger in std::mem::take(&mut self.strangers) {
            if !is_wanted(&stranger) {
                self.scope.forget(&stranger).await;
            }
        }
    }

    /// Loads states under the held lease and starts, asking until the store answers.
    async fn load_and_start(&mut self, missing: &[SubscriptionSpec]) {
        let mut backoff = Backoff::default();
        while !missing.is_empty() {
            match self.load(missing).await {
                Ok(states) => {
                    for (subscription, state) in missing.iter().zip(states) {
                        self.start(subscription, state);
                    }
                    return;
                }
                Err(error) if error.kind() == StateErrorKind::Fenced => {
                    self.guard.lose();
                    return;
                }
                // One whose state cannot be read does not hold up the others.
                Err(error) if error.kind() == StateErrorKind::Corrupt && missing.len() == 1 => {
                    self.halt(&missing[0], &error.to_string());
                    return;
                }
                Err(error) if error.kind() == StateErrorKind::Corrupt => {
                    for one in missing {
                        Box::pin(self.load_and_start(std::slice::from_ref(one))).await;
                    }
                    return;
                }
                Err(error) => {
                    if !backoff.is_failing() {
                        tracing::warn!(collection = %self.scope.name, %error, "cannot load the state of a destination");
                    }
                    tokio::time::sleep(backoff.next()).await;
                }
            }
        }
    }

    async fn load(&self, subscriptions: &[SubscriptionSpec]) -> Result<Vec<SubscriptionState>, StateError> {
        let starts = self.scope.starts(subscriptions).await?;
        self.scope.context.store.load(&self.lease, &starts).await
    }

    /// Deals with a subscription that ended; `true` if the lease has to be taken anew.
    pub(super) async fn on_ended(
        &mut self,
        ended: Result<(DestinationId, End), JoinError>,
        spec: &CollectionSpec,
    ) -> bool {
        let (destination, end) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                // Whose task it was is not known: those that have no task any more are started again.
                tracing::error!(collection = %self.scope.name, %error, "a subscription died; starting again");
                tokio::time::sleep(RESTART_WAIT).await;
                return true;
            }
        };
        let id = self.scope.id_of(&destination);
        match end {
            End::Stopped => {}
            End::Fenced => {
                tracing::warn!(subscription = %id, "fenced: another worker has the lease, or the state was dropped");
                return true;
            }
            End::Uncertain(why) => {
                tracing::warn!(subscription = %id, why, "starting again under a new lease");
                return true;
            }
            End::Reload(why) => {
                tracing::warn!(subscription = %id, why, "starting again from the stored state");
                tokio::time::sleep(RESTART_WAIT).await;
            }
            End::Halted(why) => {
                if let Some(running) = self.running.remove(&destination) {
                    self.halt(&running.spec, &why);
                }
                return false;
            }
        }
        self.running.remove(&destination);
        if !spec.subscriptions.iter().any(|wanted| wanted.id == destination) {
            self.scope.forget(&destination).await;
        }
        false
    }

    fn halt(&mut self, spec: &SubscriptionSpec, why: &str) {
        let id = self.scope.id_of(&spec.id);
        tracing::error!(subscription = %id, why, "halted; it needs an operator");
        let now = self.scope.context.clock.now();
        self.scope
            .cell(&spec.id)
            .set_phase(SubscriptionPhase::Halted, Some(why.to_owned()), now);
        let (stop, _) = StopSource::new();
        self.running.insert(
            spec.id.clone(),
            Running {
                spec: spec.clone(),
                stop,
                state: RunState::Halted,
            },
        );
    }

    /// Drains everything and gives the lease back.
    pub(super) async fn end(mut self, deadline: Instant) {
        for running in self.running.values() {
            running.stop.stop(deadline);
        }
        while self.tasks.join_next().await.is_some() {}
        self.scope.keeper.drop_lease(&self.scope.name);
        self.scope.board.set_holder(&self.scope.name, None);
        if let Err(error) = self.scope.context.store.release(&self.lease).await {
            tracing::warn!(collection = %self.scope.name, %error, "the lease is not given back: it expires by itself");
        }
    }

    /// Ends everything at once: somebody else has the lease, so nothing of ours may go out or be committed any more.
    pub(super) async fn abandon(mut self) {
        self.tasks.shutdown().await;
        self.scope.keeper.drop_lease(&self.scope.name);
    }
}
