//! Takes the lease of one collection, and runs its subscriptions while it holds it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::backoff::Backoff;
use super::board::Board;
use super::command::{Command, CommandError, CommandErrorKind};
use super::context::Context;
use super::dead_count::DeadCount;
use super::lease_keeper::LeaseKeeper;
use super::phase::SubscriptionPhase;
use super::share::Share;
use super::spec::{CollectionSpec, SubscriptionSpec};
use super::status::StatusCell;
use super::stop::StopSignal;
use super::strangers::Strangers;
use super::tenure::Tenure;
use crate::contract::{
    OpenRequest, Opened, StateError, StateErrorKind, SubscriptionStart, SubscriptionState,
};
use crate::value::{ClusterTime, CollectionName, DestinationId, SubscriptionId, WorkerId};

/// How often a held lease is asked for at least.
const LEASE_POLL: Duration = Duration::from_secs(1);
/// How long the other subscriptions of a collection may finish what they have in hand when one of them was fenced.
const FENCED_DRAIN: Duration = Duration::from_secs(1);

/// A collection, and what its parts need of the engine.
pub(super) struct Scope {
    pub(super) context: Arc<Context>,
    pub(super) keeper: Arc<LeaseKeeper>,
    pub(super) board: Arc<Board>,
    pub(super) name: CollectionName,
    pub(super) dead_count: Arc<DeadCount>,
}

impl Scope {
    pub(super) fn id_of(&self, destination: &DestinationId) -> SubscriptionId {
        SubscriptionId {
            collection: self.name.clone(),
            destination: destination.clone(),
        }
    }

    pub(super) fn cell(&self, destination: &DestinationId) -> Arc<StatusCell> {
        let now = self.context.clock.now();
        self.board.cell(&self.name, destination, || {
            StatusCell::new(&self.id_of(destination), now)
        })
    }

    /// Drops the state of a destination that was removed; its dead letters stay.
    pub(super) async fn forget(&self, destination: &DestinationId) {
        let id = self.id_of(destination);
        tracing::info!(collection = %id.collection, destination = %id.destination, "the destination was removed: its position and waiting records are dropped");
        if let Err(error) = self.context.store.forget(&id).await {
            tracing::warn!(collection = %id.collection, destination = %id.destination, %error, "the state is dropped at the next start");
        }
    }

    /// Shows anew how many dead letters destinations have that nothing counts for.
    pub(super) async fn count_letters(&self, destinations: &[DestinationId]) {
        let ids: Vec<SubscriptionId> = destinations.iter().map(|id| self.id_of(id)).collect();
        // What is not known now is known when they are started again.
        let Ok(lengths) = self.context.store.lengths(&ids).await else {
            return;
        };
        for (id, lengths) in destinations.iter().zip(lengths) {
            let waiting = usize::try_from(lengths.waiting).unwrap_or(usize::MAX);
            self.cell(id).set_counts(waiting, Some(lengths.dead));
        }
    }

    /// Where each subscription starts if the store does not know it.
    pub(super) async fn starts(
        &self,
        subscriptions: &[SubscriptionSpec],
    ) -> Result<Vec<SubscriptionStart>, StateError> {
        let mut now = None;
        let mut starts = Vec::with_capacity(subscriptions.len());
        for subscription in subscriptions {
            // A low-water mark is where a state that was lost is made up for.
            let start = match (subscription.mark.or(subscription.start), now) {
                (Some(start), _) | (None, Some(start)) => start,
                (None, None) => *now.insert(self.source_now().await?),
            };
            let life = subscription.start.unwrap_or_default();
            starts.push(SubscriptionStart {
                destination: subscription.id.clone(),
                start,
                life,
                rewind: subscription.rewind,
            });
        }
        Ok(starts)
    }

    async fn source_now(&self) -> Result<ClusterTime, StateError> {
        let now = self.context.watcher.now().await;
        now.map_err(|error| StateError::unavailable("the source does not say its time").with_source(error))
    }
}

/// The task of a collection: takes the lease, keeps subscriptions as the newest spec has them, gives the lease back.
pub(crate) struct CollectionRunner {
    scope: Arc<Scope>,
    orders: RunnerOrders,
}

/// What the supervisor wants of a collection.
pub(super) struct RunnerOrders {
    pub(super) spec: watch::Receiver<CollectionSpec>,
    /// How often what is wanted was told, of any collection.
    pub(super) updates: watch::Receiver<u64>,
    pub(super) share: watch::Receiver<Share>,
    pub(super) commands: mpsc::Receiver<Command>,
}

impl RunnerOrders {
    fn is_ours(&self) -> bool {
        *self.share.borrow() == Share::Ours
    }
}

enum Next {
    /// Told to stop.
    Stop,
    /// The lease is gone, or not needed while there is nothing to run.
    Again,
}

impl CollectionRunner {
    pub(crate) fn new(
        context: Arc<Context>,
        keeper: Arc<LeaseKeeper>,
        board: Arc<Board>,
        name: CollectionName,
        orders: RunnerOrders,
    ) -> Self {
        let max = context.settings.max_dead_letters;
        Self {
            scope: Arc::new(Scope {
                dead_count: Arc::new(DeadCount::new(max)),
                context,
                keeper,
                board,
                name,
            }),
            orders,
        }
    }

    /// Runs until told to stop.
    pub(crate) async fn run(mut self, mut stop: StopSignal) {
        loop {
            let spec = self.orders.spec.borrow_and_update().clone();
            let share = self.orders.share.borrow_and_update().clone();
            if let Share::Of(worker) = &share {
                let reason = format!("it is of the share of {}", worker.short());
                self.set_phases(&spec, SubscriptionPhase::WaitingForLease, &reason);
            }
            if spec.subscriptions.is_empty() || share != Share::Ours {
                tokio::select! {
                    _ = stop.stopped() => break,
                    // A sender that is gone is followed by the stop signal.
                    _ = self.orders.spec.changed() => {}
                    _ = self.orders.share.changed() => {}
                    Some(command) = self.orders.commands.recv() => command.refuse(not_held(&self.scope)),
                }
                continue;
            }
            let acquired = tokio::select! {
                _ = stop.stopped() => break,
                acquired = self.acquire(&spec) => acquired,
            };
            let Some((mut tenure, states)) = acquired else {
                continue;
            };
            tenure.start_all(&spec, states);
            if let Next::Stop = self.hold(tenure, &mut stop).await {
                break;
            }
        }
        self.scope.board.remove(&self.scope.name);
    }

    /// Asks for the lease until it is taken; `None` if the spec or the share changed meanwhile.
    async fn acquire(&mut self, spec: &CollectionSpec) -> Option<(Tenure, Vec<SubscriptionState>)> {
        let mut backoff = Backoff::default();
        let mut evict = None;
        // Not together with the lease once a state proved unreadable: then each is loaded by itself.
        let mut loads = true;
        loop {
            let asked = Instant::now();
            let subscriptions = if loads { &spec.subscriptions[..] } else { &[] };
            let wait = match self.open(subscriptions, evict.take()).await {
                Ok(Opened::Taken {
                    lease,
                    states,
                    others,
                }) => {
                    self.scope
                        .board
                        .set_holder(&self.scope.name, Some(lease.worker.clone()));
                    tracing::info!(collection = %self.scope.name, epoch = lease.epoch, "took the lease");
                    let guard = self.scope.keeper.keep(&lease, asked);
                    let is_stranger =
                        |id: &DestinationId| !spec.subscriptions.iter().any(|wanted| wanted.id == *id);
                    let strangers = others.into_iter().filter(is_stranger).collect();
                    let target = spec.target.clone();
                    let strangers = Strangers::new(strangers, self.orders.updates.clone());
                    let tenure = Tenure::new(Arc::clone(&self.scope), (lease, guard), target, strangers);
                    return Some((tenure, states));
                }
                Ok(Opened::Held { by, remaining }) => {
                    self.wait_for(spec, &by);
                    if self.scope.context.worker.knows_gone(&by) {
                        tracing::info!(collection = %self.scope.name, holder = %by.short(), "the holder of the lease is gone: taking over");
                        evict = Some(by);
                        Duration::ZERO
                    } else {
                        remaining.min(LEASE_POLL) + Duration::from_millis(10)
                    }
                }
                Err(error) if error.kind() == StateErrorKind::Corrupt && loads => {
                    loads = false;
                    Duration::ZERO
                }
                Err(error) => {
                    self.report_trouble(spec, &error, &backoff);
                    backoff.next()
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = self.orders.spec.changed() => return None,
                _ = self.orders.share.changed() => return None,
                Some(command) = self.orders.commands.recv() => command.refuse(not_held(&self.scope)),
            }
        }
    }

    async fn open(
        &self,
        subscriptions: &[SubscriptionSpec],
        evict: Option<WorkerId>,
    ) -> Result<Opened, StateError> {
        let request = OpenRequest {
            collection: self.scope.name.clone(),
            worker: self.scope.context.worker.id().clone(),
            lease_time: self.scope.context.settings.lease_time,
            evict,
            last_epoch: self.scope.keeper.last_epoch(),
            subscriptions: self.scope.starts(subscriptions).await?,
        };
        self.scope.context.store.open(&request).await
    }

    fn wait_for(&self, spec: &CollectionSpec, holder: &WorkerId) {
        self.scope
            .board
            .set_holder(&self.scope.name, Some(holder.clone()));
        let reason = format!("the lease is held by {}", holder.short());
        self.set_phases(spec, SubscriptionPhase::WaitingForLease, &reason);
    }

    fn report_trouble(&self, spec: &CollectionSpec, error: &StateError, backoff: &Backoff) {
        if !backoff.is_failing() {
            let source = std::error::Error::source(error).map(ToString::to_string);
            tracing::warn!(collection = %self.scope.name, %error, source = source.as_deref(), "cannot take the lease yet");
        }
        let phase = match error.kind() {
            StateErrorKind::Corrupt => SubscriptionPhase::Halted,
            _ => SubscriptionPhase::Starting,
        };
        self.set_phases(spec, phase, error.message());
    }

    fn set_phases(&self, spec: &CollectionSpec, phase: SubscriptionPhase, reason: &str) {
        let now = self.scope.context.clock.now();
        for subscription in &spec.subscriptions {
            self.scope
                .cell(&subscription.id)
                .set_phase(phase, Some(reason.to_owned()), now);
        }
    }

    /// Runs subscriptions under the lease until it is lost, nothing is left to run, or the end.
    async fn hold(&mut self, mut tenure: Tenure, stop: &mut StopSignal) -> Next {
        let guard = Arc::clone(&tenure.guard);
        loop {
            if !self.orders.is_ours() {
                tracing::info!(collection = %self.scope.name, "handing over to the worker whose share it is");
                tenure
                    .end(Instant::now() + self.scope.context.settings.shutdown_timeout)
                    .await;
                return Next::Again;
            }
            let spec = self.orders.spec.borrow().clone();
            let ended = tokio::select! {
                biased;
                deadline = stop.stopped() => {
                    tenure.end(deadline).await;
                    return Next::Stop;
                }
                () = guard.lost() => {
                    tenure.abandon().await;
                    return Next::Again;
                }
                _ = self.orders.spec.changed() => continue,
                _ = self.orders.share.changed() => continue,
                Some(command) = self.orders.commands.recv() => {
                    tenure.command(command);
                    continue;
                }
                ended = next_end(&mut tenure, &spec) => ended,
            };
            let must_end = match ended {
                Happened::Idle => true,
                Happened::Updated => false,
                Happened::Ended(ended) => tenure.on_ended(ended, &spec).await,
            };
            if must_end {
                tenure.end(Instant::now() + FENCED_DRAIN).await;
                return Next::Again;
            }
        }
    }
}

fn not_held(scope: &Scope) -> CommandError {
    let message = format!("this worker does not hold the lease of {}", scope.name);
    CommandError::new(CommandErrorKind::NotHeld, message)
}

/// What a tenure comes to while nothing from outside happens.
enum Happened {
    /// There is nothing to run.
    Idle,
    /// What is wanted was told again, which may decide about strangers.
    Updated,
    /// A subscription ended.
    Ended(Result<(DestinationId, super::subscription::End), tokio::task::JoinError>),
}

/// Makes the tenure like the spec, and waits for the next end of a subscription. Dropping the future is safe.
async fn next_end(tenure: &mut Tenure, spec: &CollectionSpec) -> Happened {
    if tenure.reconcile(spec).await {
        return Happened::Idle;
    }
    tokio::select! {
        // Where everything is halted, or the lease was lost while loading, only something from outside changes that.
        Some(ended) = tenure.tasks.join_next() => Happened::Ended(ended),
        () = tenure.strangers.updated() => Happened::Updated,
    }
}
