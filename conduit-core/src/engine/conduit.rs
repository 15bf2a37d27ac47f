//! The engine as a host sees it.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::budget::Budget;
use super::committer::Committer;
use super::context::Context;
use super::handle::{Handle, Orders};
use super::hub::Hub;
use super::lease_keeper::LeaseKeeper;
use super::settings::Settings;
use super::spec::CollectionSpec;
use super::stop::StopSource;
use super::supervisor::Supervisor;
use super::watchdog::Watchdog;
use super::worker_identity::WorkerIdentity;
use crate::contract::{NoObserver, Observer, StateStore, Watcher};
use crate::delivery::Endpoints;
use crate::value::{Clock, SystemClock};

/// Those who read what the source has.
const READING: &str = "a task that reads";

/// Something that an engine cannot be built with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidSetup {
    pub(super) message: String,
}

impl fmt::Display for InvalidSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for InvalidSetup {}

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
        super::handle::check(&self.collections)?;
        let (committer, committing) = Committer::new(Arc::clone(&self.store), self.settings.commit_interval);
        let budget = Budget::new(self.settings.max_bytes);
        let (hub, reading) = Hub::new(&self.watcher, self.settings.read_limits(), &budget);
        let worker = WorkerIdentity::of_this_process();
        let seed = self
            .settings
            .seed
            .map_or_else(|| worker.id().to_string(), |seed| seed.to_string());
        let context = Context {
            endpoints: Endpoints::new(seed),
            watcher: self.watcher,
            store: self.store,
            committer,
            hub,
            budget,
            clock: self.clock,
            observer: self.observer,
            settings: self.settings,
            worker,
        };
        let (handle, orders) = Handle::new(
            self.collections,
            Arc::clone(&context.clock),
            context.worker.id().clone(),
        );
        Ok(Conduit {
            context,
            committing: Box::pin(committing),
            reading,
            handle,
            orders,
        })
    }
}

/// The engine: delivers the changes of collections to their destinations, at least once, in order per key.
///
/// See the crate's documentation for an example.
pub struct Conduit {
    context: Context,
    committing: BoxFuture<'static, ()>,
    reading: [BoxFuture<'static, ()>; 2],
    handle: Handle,
    orders: Orders,
}

impl fmt::Debug for Conduit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conduit")
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
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
        let mut reading: JoinSet<()> = self.reading.into_iter().collect();
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
        let (stop_watchdog, watchdog_stop) = StopSource::new();
        let mut watching = tokio::spawn(Watchdog::new(Arc::clone(self.handle.board())).run(watchdog_stop));
        let supervisor = Supervisor::new(context, keeper, Arc::clone(self.handle.board()));
        let mut died = None;
        let end = async {
            tokio::select! {
                () = shutdown => {}
                _ = &mut committing => died = Some(EngineDied { part: "the committing task" }),
                _ = reading.join_next() => died = Some(EngineDied { part: READING }),
                _ = &mut watching => died = Some(EngineDied { part: "the watchdog" }),
                _ = &mut keeping => died = Some(EngineDied { part: "the task that renews leases" }),
            }
        };
        supervisor.run(self.orders, end, timeout).await;
        stop_watchdog.stop(Instant::now());
        if let Some(died) = died {
            committing.abort();
            keeping.abort();
            return Err(died);
        }
        // Leases are renewed to the very end of the drain.
        stop_keeper.stop(Instant::now());
        watching.await.map_err(|_| EngineDied { part: "the watchdog" })?;
        keeping.await.map_err(|_| EngineDied {
            part: "the task that renews leases",
        })?;
        committing.await.map_err(|_| EngineDied {
            part: "the committing task",
        })?;
        // With the last subscription the hub is gone.
        while let Some(ended) = reading.join_next().await {
            ended.map_err(|_| EngineDied { part: READING })?;
        }
        Ok(())
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
