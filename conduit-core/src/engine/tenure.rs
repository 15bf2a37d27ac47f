//! The subscriptions of one collection while this worker holds its lease.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::backoff::Backoff;
use super::collection::Scope;
use super::command::{Command, CommandError, CommandErrorKind, Redriven};
use super::phase::SubscriptionPhase;
use super::spec::{CollectionSpec, SubscriptionSpec};
use super::stop::StopSource;
use super::strangers::Strangers;
use super::subscription::{End, Subscription};
use crate::contract::{Lease, StateError, StateErrorKind, SubscriptionState, WatchTarget};
use crate::delivery::LeaseGuard;
use crate::value::DestinationId;

/// How long to wait before a subscription that ended by itself is started again.
const RESTART_WAIT: Duration = Duration::from_millis(500);
/// How long subscriptions may take to end when the lease is lost.
const ABANDON_PATIENCE: Duration = Duration::from_secs(1);
/// Most commands that wait for one subscription.
const MAX_COMMANDS: usize = 4;

/// A lease, and the tasks of the subscriptions that run under it.
pub(super) struct Tenure {
    scope: Arc<Scope>,
    pub(super) lease: Lease,
    pub(super) guard: Arc<LeaseGuard>,
    target: WatchTarget,
    running: HashMap<DestinationId, Running>,
    pub(super) tasks: JoinSet<(DestinationId, End)>,
    pub(super) strangers: Strangers,
    /// Commands that wait for the answers of subscriptions.
    commands: JoinSet<()>,
}

/// How a subscription is told what to do.
type Controls = (StopSource, mpsc::Sender<Command>);

struct Running {
    spec: SubscriptionSpec,
    stop: StopSource,
    commands: mpsc::Sender<Command>,
    state: RunState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum RunState {
    Running,
    /// Told to stop; its task has not ended yet.
    Stopping,
    /// It has no task, and nothing starts it until its spec changes: paused, or halted.
    Resting,
}

impl Tenure {
    pub(super) fn new(
        scope: Arc<Scope>,
        (lease, guard): (Lease, Arc<LeaseGuard>),
        target: WatchTarget,
        strangers: Strangers,
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
            commands: JoinSet::new(),
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
            tracing::info!(collection = %id.collection, destination = %id.destination, position = ?state.position, "a new stream begins");
        }
        let cell = self.scope.cell(&spec.id);
        if state.is_new && spec.mark.is_some() {
            let id = self.scope.id_of(&spec.id);
            tracing::error!(
                collection = %id.collection, destination = %id.destination, position = ?state.position,
                "state_lost: the store knows nothing of this stream, which had begun: it goes on at its low-water mark; waiting records come again, dead letters are gone"
            );
            cell.set_lost();
        }
        self.scope.dead_count.set(state.collection_dead_letters);
        if spec.is_paused {
            self.pause(spec, &state);
            return;
        }
        let (stop, signal) = StopSource::new();
        let (commands, given) = mpsc::channel(MAX_COMMANDS);
        let subscription = Subscription::start(
            Arc::clone(&self.scope.context),
            (self.lease.clone(), Arc::clone(&self.guard)),
            (&self.target, spec),
            state,
            (cell, Arc::clone(&self.scope.dead_count)),
            given,
        );
        let destination = spec.id.clone();
        self.tasks
            .spawn(async move { (destination, subscription.run(signal).await) });
        self.keep(spec, (stop, commands), RunState::Running);
    }

    fn keep(&mut self, spec: &SubscriptionSpec, (stop, commands): Controls, state: RunState) {
        let running = Running {
            spec: spec.clone(),
            stop,
            commands,
            state,
        };
        self.running.insert(spec.id.clone(), running);
    }

    /// Shows a paused subscription as it is stored, and starts nothing.
    fn pause(&mut self, spec: &SubscriptionSpec, state: &SubscriptionState) {
        let cell = self.scope.cell(&spec.id);
        let oldest = state.waiting.iter().map(|waiting| waiting.timestamp).min();
        cell.set_counts(state.waiting.len(), Some(state.dead_letters));
        cell.set_position(&state.position, oldest, Some(state.generation));
        cell.reopened();
        cell.set_progress(None, None, oldest);
        self.rest(spec, SubscriptionPhase::Paused, None);
    }

    /// Keeps a subscription without a task until its spec changes.
    fn rest(&mut self, spec: &SubscriptionSpec, phase: SubscriptionPhase, why: Option<&str>) {
        let now = self.scope.context.clock.now();
        let cell = self.scope.cell(&spec.id);
        cell.set_full(false);
        cell.set_phase(phase, why.map(str::to_owned), now);
        let (stop, _) = StopSource::new();
        let (commands, _) = mpsc::channel(1);
        self.keep(spec, (stop, commands), RunState::Resting);
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
            let unchanged = wanted(id).is_some_and(|wanted| wanted.runs_like(&running.spec));
            if unchanged && same_target {
                return true;
            }
            if running.state == RunState::Running {
                running.state = RunState::Stopping;
                running.stop.stop(deadline);
            }
            if running.state == RunState::Resting {
                halted.push(id.clone());
            }
            running.state != RunState::Resting
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
        let is_wanted = |id: &DestinationId| spec.subscriptions.iter().any(|wanted| wanted.id == *id);
        for stranger in self.strangers.take_decided() {
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
                tracing::warn!(collection = %id.collection, destination = %id.destination, "fenced: another worker has the lease, or the state was dropped");
                return true;
            }
            End::Uncertain(why) => {
                tracing::warn!(collection = %id.collection, destination = %id.destination, reason = why, "starting again under a new lease");
                return true;
            }
            End::Reload(why) => {
                tracing::warn!(collection = %id.collection, destination = %id.destination, reason = why, "starting again from the stored state");
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
        tracing::error!(collection = %id.collection, destination = %id.destination, reason = why, "halted; it needs an operator");
        self.rest(spec, SubscriptionPhase::Halted, Some(why));
    }

    /// Has the subscriptions that it concerns carry out a command; the answer comes from a task of its own.
    pub(super) fn command(&mut self, command: Command) {
        while self.commands.try_join_next().is_some() {}
        let wanted = command.selection().destination.clone();
        let is_meant = |id: &DestinationId| wanted.as_ref().is_none_or(|wanted| wanted == id);
        let meant = || self.running.iter().filter(|(id, _)| is_meant(id));
        let working: Vec<mpsc::Sender<Command>> = meant()
            .filter(|(_, running)| running.state != RunState::Resting)
            .map(|(_, running)| running.commands.clone())
            .collect();
        match command {
            Command::Redrive {
                selection,
                include_stale,
                reply,
            } => {
                if let Some((id, _)) = meant().find(|(_, running)| running.state == RunState::Resting) {
                    let message = format!("the destination {id} rests: resume it first");
                    let _ = reply.send(Err(CommandError::new(CommandErrorKind::AtRest, message)));
                    return;
                }
                self.commands.spawn(async move {
                    let ask = |reply| Command::Redrive {
                        selection: selection.clone(),
                        include_stale,
                        reply,
                    };
                    let answers: Result<Vec<Redriven>, _> = ask_all(&working, ask).await;
                    let sum = |answers: Vec<Redriven>| Redriven {
                        redriven: answers.iter().map(|answer| answer.redriven).sum(),
                        stale: answers.iter().map(|answer| answer.stale).sum(),
                    };
                    let _ = reply.send(answers.map(sum));
                });
            }
            Command::Purge { selection, reply } => {
                let resting: Vec<DestinationId> = meant()
                    .filter(|(_, running)| running.state == RunState::Resting)
                    .map(|(id, _)| id.clone())
                    .collect();
                let scope = Arc::clone(&self.scope);
                self.commands.spawn(async move {
                    let ask = |reply| Command::Purge {
                        selection: selection.clone(),
                        reply,
                    };
                    let purged = match ask_all(&working, ask).await {
                        Err(error) => Err(error),
                        Ok(purged) => {
                            // What is left is of destinations that rest or were removed.
                            let rest = scope
                                .context
                                .store
                                .purge_dead_letters(&scope.name, &selection)
                                .await;
                            rest.map(|rest| {
                                scope.dead_count.remove(rest);
                                rest + purged.iter().sum::<u64>()
                            })
                            .map_err(|error| CommandError::of_store(&error))
                        }
                    };
                    scope.count_letters(&resting).await;
                    let _ = reply.send(purged);
                });
            }
        }
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
        // They see it themselves, and end with nothing in hand; one that waits for something else is cut off.
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(ABANDON_PATIENCE, ended).await.is_err() {
            self.tasks.shutdown().await;
        }
        self.scope.keeper.drop_lease(&self.scope.name);
    }
}

/// Gives a command to each subscription and waits for all answers.
async fn ask_all<T>(
    working: &[mpsc::Sender<Command>],
    command: impl Fn(oneshot::Sender<Result<T, CommandError>>) -> Command,
) -> Result<Vec<T>, CommandError> {
    let mut answers = Vec::with_capacity(working.len());
    for subscription in working {
        let (reply, answer) = oneshot::channel();
        let sent = subscription.send(command(reply)).await;
        sent.map_err(|_ended| CommandError::ended())?;
        answers.push(answer.await.unwrap_or_else(|_ended| Err(CommandError::ended()))?);
    }
    Ok(answers)
}
