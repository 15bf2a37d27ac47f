//! The engine as a host sees it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::board::{Board, CollectionStatus};
use super::collection::CollectionRunner;
use super::committer::Committer;
use super::context::Context;
use super::lease_keeper::LeaseKeeper;
use super::settings::Settings;
use super::spec::CollectionSpec;
use super::stop::StopSource;
use super::worker_identity::WorkerIdentity;
use crate::contract::{NoObserver, Observer, StateStore, Watcher};
use crate::value::{Clock, CollectionName, SystemClock, WorkerId};

/// Something that an engine cannot be built with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidSetup {
    message: String,
}

impl fmt::Display for InvalidSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for InvalidSetup {}

/// How long to wait before the task of a collection that died is started again.
const RESTART_WAIT: Duration = Duration::from_secs(1);

/// Composes an engine.
#[derive(Debug)]
pub struct Builder {
    watcher: Arc<dyn Watcher>,
    store: Arc<dyn StateStore>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    settings: Settings,
    collections: Vec<CollectionSpec>,
}

impl Builder {
    /// Adds a collection.
    #[must_use]
    pub fn collection(mut self, collection: CollectionSpec) -> Self {
        self.collections.push(collection);
        self
    }

    /// Sets times and bounds. Default: [`Settings::default`].
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Sets the wall clock. Default: the system's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Lets a host see every settled record. Default: nobody.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Makes the engine. It does nothing until it is run.
    ///
    /// # Errors
    /// If a collection is there twice, or a destination twice in a collection.
    pub fn build(self) -> Result<Conduit, InvalidSetup> {
        check(&self.collections)?;
        let (committer, committing) = Committer::new(Arc::clone(&self.store), self.settings.commit_interval);
        let context = Context {
            watcher: self.watcher,
            store: self.store,
            committer,
            clock: self.clock,
            observer: self.observer,
            settings: self.settings,
            worker: WorkerIdentity::of_this_process(),
        };
        let handle = Handle {
            specs: Arc::new(watch::Sender::new(self.collections)),
            board: Arc::default(),
            clock: Arc::clone(&context.clock),
            worker: context.worker.id().clone(),
        };
        Ok(Conduit {
            context,
            committing: Box::pin(committing),
            handle,
        })
    }
}

fn check(collections: &[CollectionSpec]) -> Result<(), InvalidSetup> {
    let mut names = std::collections::HashSet::new();
    for collection in collections {
        let name = collection.name();
        if !names.insert(name) {
            return Err(InvalidSetup {
                message: format!("the collection {name} is there twice"),
            });
        }
        let mut ids = std::collections::HashSet::new();
        for subscription in &collection.subscriptions {
            if !ids.insert(&subscription.id) {
                let id = &subscription.id;
                return Err(InvalidSetup {
                    message: format!("the destination {id} of {name} is there twice"),
                });
            }
        }
    }
    Ok(())
}

/// Looks at a running engine and changes what it runs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    specs: Arc<watch::Sender<Vec<CollectionSpec>>>,
    board: Arc<Board>,
    clock: Arc<dyn Clock>,
    worker: WorkerId,
}

impl Handle {
    /// Replaces what the engine runs. Subscriptions that stay the same (id, revision, start, target) are not touched;
    /// changed ones are drained and go on from where they stand; one that is taken out of a collection is drained and
    /// its state dropped, but for dead letters; a collection that is taken out only stops.
    ///
    /// Returns at once; the engine follows.
    ///
    /// # Errors
    /// If a collection is there twice, or a destination twice in a collection; nothing is changed then.
    pub fn set_collections(&self, collections: Vec<CollectionSpec>) -> Result<(), InvalidSetup> {
        check(&collections)?;
        self.specs.send_replace(collections);
        Ok(())
    }

    /// Returns the status of everything that runs, by collection name.
    #[must_use]
    pub fn status(&self) -> Vec<CollectionStatus> {
        self.board.snapshot(self.clock.now())
    }

    /// Returns the identity under which the engine holds leases.
    #[must_use]
    pub fn worker(&self) -> &WorkerId {
        &self.worker
    }
}

/// The engine: delivers the changes of collections to their destinations, at least once, in order per key.
///
/// See the crate's documentation for an example.
pub struct Conduit {
    context: Context,
    committing: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>,
    handle: Handle,
}

impl fmt::Debug for Conduit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conduit")
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

struct RunningCollection {
    task: tokio::task::Id,
    spec: watch::Sender<CollectionSpec>,
    stop: StopSource,
    is_stopping: bool,
}

impl Conduit {
    /// Begins to compose an engine that reads from `watcher` and keeps its state in `store`.
    #[must_use]
    pub fn builder(watcher: Arc<dyn Watcher>, store: Arc<dyn StateStore>) -> Builder {
        Builder {
            watcher,
            store,
            clock: Arc::new(SystemClock),
            observer: Arc::new(NoObserver),
            settings: Settings::default(),
            collections: Vec::new(),
        }
    }

    /// Returns a handle to look at the engine and to change what it runs.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Runs until `shutdown` completes, then stops gracefully: reading stops, calls in hand may finish within the
    /// shutdown timeout, everything settled is committed, leases are given back.
    ///
    /// Dropping the future instead is as safe as a crash: nothing is lost, but what was delivered since the last commit
    /// comes again.
    ///
    /// # Errors
    /// If a part that everything depends on died, which is a bug. Running again, in a new process say, loses nothing.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> Result<(), EngineDied> {
        let mut committing = tokio::spawn(self.committing);
        let context = Arc::new(self.context);
        let timeout = context.settings.shutdown_timeout;
        let keeper = Arc::new(LeaseKeeper::new(
            Arc::clone(&context.store),
            context.settings.lease_time,
        ));
        let (stop_keeper, keeper_stop) = StopSource::new();
        let mut keeping = tokio::spawn({
            let keeper = Arc::clone(&keeper);
            async move { keeper.run(keeper_stop).await }
        });
        let supervisor = Supervisor {
            context,
            keeper,
            board: Arc::clone(&self.handle.board),
            running: HashMap::new(),
            tasks: JoinSet::new(),
        };
        let mut died = None;
        let end = async {
            tokio::select! {
                () = shutdown => {}
                _ = &mut committing => died = Some(EngineDied { part: "the committing task" }),
                _ = &mut keeping => died = Some(EngineDied { part: "the task that renews leases" }),
            }
        };
        supervisor.run(self.handle.specs.subscribe(), end, timeout).await;
        if let Some(died) = died {
            committing.abort();
            keeping.abort();
            return Err(died);
        }
        // Leases are renewed to the very end of the drain.
        stop_keeper.stop(Instant::now());
        keeping.await.map_err(|_| EngineDied {
            part: "the task that renews leases",
        })?;
        committing.await.map_err(|_| EngineDied {
            part: "the committing task",
        })
    }
}

/// A part of the engine that everything depends on died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineDied {
    part: &'static str,
}

impl fmt::Display for EngineDied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} died", self.part)
    }
}

impl std::error::Error for EngineDied {}

/// Keeps one task a collection.
struct Supervisor {
    context: Arc<Context>,
    keeper: Arc<LeaseKeeper>,
    board: Arc<Board>,
    running: HashMap<CollectionName, RunningCollection>,
    tasks: JoinSet<CollectionName>,
}

impl Supervisor {
    async fn run(
        mut self,
        mut specs: watch::Receiver<Vec<CollectionSpec>>,
        shutdown: impl Future<Output = ()>,
        timeout: Duration,
    ) {
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let wanted = specs.borrow_and_update().clone();
            self.reconcile(&wanted, timeout);
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                changed = specs.changed() => if changed.is_err() { break },
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

    fn reconcile(&mut self, wanted: &[CollectionSpec], timeout: Duration) {
        for (name, running) in &mut self.running {
            if !running.is_stopping && !wanted.iter().any(|spec| spec.name() == name) {
                running.is_stopping = true;
                running.stop.stop(Instant::now() + timeout);
            }
        }
        for spec in wanted {
            match self.running.get(spec.name()) {
                // A collection that comes back while it is still being drained starts when that has ended.
                Some(running) if running.is_stopping => {}
                Some(running) => {
                    running.spec.send_replace(spec.clone());
                }
                None => self.start(spec.clone()),
            }
        }
    }

    fn start(&mut self, spec: CollectionSpec) {
        let name = spec.name().clone();
        let (sender, receiver) = watch::channel(spec);
        let (stop, signal) = StopSource::new();
        let runner = CollectionRunner::new(
            Arc::clone(&self.context),
            Arc::clone(&self.keeper),
            Arc::clone(&self.board),
            name.clone(),
            receiver,
        );
        let task_name = name.clone();
        let task = self.tasks.spawn(async move {
            runner.run(signal).await;
            task_name
        });
        self.running.insert(
            name,
            RunningCollection {
                task: task.id(),
                spec: sender,
                stop,
                is_stopping: false,
            },
        );
    }
}
