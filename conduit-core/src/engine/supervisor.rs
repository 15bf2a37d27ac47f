//! Keeps one task for each collection.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::board::Board;
use super::collection::{CollectionRunner, RunnerOrders};
use super::command::{Command, CommandError, CommandErrorKind};
use super::context::Context;
use super::handle::Orders;
use super::lease_keeper::LeaseKeeper;
use super::share::{Share, share_of};
use super::spec::CollectionSpec;
use super::stop::StopSource;
use crate::value::CollectionName;

/// How long to wait before the task of a collection that died is started again.
const RESTART_WAIT: Duration = Duration::from_secs(1);

/// Most commands that wait for one collection.
const MAX_COMMANDS: usize = 16;

/// Starts and stops collections as the host wants, and takes the worker's share of them.
pub(super) struct Supervisor {
    context: Arc<Context>,
    keeper: Arc<LeaseKeeper>,
    board: Arc<Board>,
    running: HashMap<CollectionName, Running>,
    tasks: JoinSet<CollectionName>,
    /// How often what is wanted was told.
    updates: watch::Sender<u64>,
}

struct Running {
    task: tokio::task::Id,
    spec: watch::Sender<CollectionSpec>,
    share: watch::Sender<Share>,
    commands: mpsc::Sender<Command>,
    stop: StopSource,
    is_stopping: bool,
}

impl Supervisor {
    pub(super) fn new(context: Arc<Context>, keeper: Arc<LeaseKeeper>, board: Arc<Board>) -> Self {
        Self {
            context,
            keeper,
            board,
            running: HashMap::new(),
            tasks: JoinSet::new(),
            updates: watch::Sender::new(0),
        }
    }

    pub(super) async fn run(
        mut self,
        mut orders: Orders,
        shutdown: impl Future<Output = ()>,
        timeout: Duration,
    ) {
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let is_update = orders.specs.has_changed().unwrap_or(false);
            let wanted = orders.specs.borrow_and_update().clone();
            let mut peers = orders.peers.borrow_and_update().clone();
            let us = &self.context.worker;
            // One that was killed is spoken of for a while.
            peers.retain(|peer| !us.knows_gone(peer));
            let names = wanted.iter().map(CollectionSpec::name);
            let shares = share_of(us.id(), &peers, names);
            self.reconcile(&wanted, &shares, timeout);
            if is_update {
                self.updates.send_modify(|count| *count += 1);
            }
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                changed = orders.specs.changed() => if changed.is_err() { break },
                changed = orders.peers.changed() => if changed.is_err() { break },
                Some((collection, command)) = orders.commands.recv() => self.pass_on(&collection, command),
                Some(ended) = self.tasks.join_next(), if !self.tasks.is_empty() => self.on_ended(ended).await,
            }
        }
        let deadline = Instant::now() + timeout;
        for running in self.running.values() {
            running.stop.stop(deadline);
        }
        while let Some(ended) = self.tasks.join_next().await {
            self.on_ended(ended).await;
        }
    }

    fn pass_on(&self, collection: &CollectionName, command: Command) {
        let Some(running) = self.running.get(collection) else {
            let message = format!("this worker does not run the collection {collection}");
            return command.refuse(CommandError::new(CommandErrorKind::NotHeld, message));
        };
        if let Err(error) = running.commands.try_send(command) {
            error.into_inner().refuse(CommandError::ended());
        }
    }

    async fn on_ended(&mut self, ended: Result<CollectionName, tokio::task::JoinError>) {
        match ended {
            Ok(name) => {
                self.running.remove(&name);
            }
            Err(error) => {
                tracing::error!(%error, "the task of a collection died; it is started again");
                let keeper = &self.keeper;
                self.running.retain(|name, running| {
                    let is_alive = running.task != error.id();
                    if !is_alive {
                        keeper.drop_lease(name);
                    }
                    is_alive
                });
                tokio::time::sleep(RESTART_WAIT).await;
            }
        }
    }

    fn reconcile(
        &mut self,
        wanted: &[CollectionSpec],
        shares: &HashMap<CollectionName, Share>,
        timeout: Duration,
    ) {
        let names: HashSet<&CollectionName> = wanted.iter().map(CollectionSpec::name).collect();
        for (name, running) in &mut self.running {
            if !running.is_stopping && !names.contains(name) {
                running.is_stopping = true;
                running.stop.stop(Instant::now() + timeout);
            }
        }
        for spec in wanted {
            let share = shares.get(spec.name()).cloned().unwrap_or(Share::Ours);
            match self.running.get(spec.name()) {
                // A collection that comes back while it is still being drained starts when that has ended.
                Some(running) if running.is_stopping => {}
                Some(running) => {
                    // Only those that it changes are told; what is there to be read is the newest in any case.
                    running.spec.send_if_modified(|known| {
                        let is_new = !known.runs_like(spec);
                        *known = spec.clone();
                        is_new
                    });
                    running.share.send_if_modified(|known| {
                        let is_new = *known != share;
                        *known = share;
                        is_new
                    });
                }
                None => self.start(spec.clone(), share),
            }
        }
    }

    fn start(&mut self, spec: CollectionSpec, share: Share) {
        let name = spec.name().clone();
        let (spec_sender, spec) = watch::channel(spec);
        let (share_sender, share) = watch::channel(share);
        let (command_sender, commands) = mpsc::channel(MAX_COMMANDS);
        let (stop, signal) = StopSource::new();
        let runner = CollectionRunner::new(
            Arc::clone(&self.context),
            Arc::clone(&self.keeper),
            Arc::clone(&self.board),
            name.clone(),
            RunnerOrders {
                spec,
                updates: self.updates.subscribe(),
                share,
                commands,
            },
        );
        let task_name = name.clone();
        let task = self.tasks.spawn(async move {
            runner.run(signal).await;
            task_name
        });
        self.running.insert(
            name,
            Running {
                task: task.id(),
                spec: spec_sender,
                share: share_sender,
                commands: command_sender,
                stop,
                is_stopping: false,
            },
        );
    }
}
