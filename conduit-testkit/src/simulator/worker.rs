//! One run of a worker: the real engine on a runtime of its own, so that it can be frozen and killed as a process can.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::{
    CollectionSpec, CollectionStatus, Conduit, EngineDied, Handle, InvalidSetup, Observer, Settings,
    SettledAs, Settlement, Watcher,
};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::clock::{WorkerClock, WorldClock};
use super::happening::{Happening, Session};
use super::journal::Journal;
use super::names;
use super::store::StoreLink;

/// A running engine. Nothing in it moves but while it is run; dropping it is a kill.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) session: Session,
    pub(super) store: Arc<StoreLink>,
    pub(super) is_frozen: bool,
    pub(super) stop_asked: Option<Duration>,
    clock: Arc<WorkerClock>,
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), EngineDied>>,
    was_frozen: bool,
    journal: Journal,
    runtime: Runtime,
}

/// The parts that a worker starts with.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) session: Session,
    pub(super) world_clock: Arc<WorldClock>,
    pub(super) watcher: Arc<dyn Watcher>,
    pub(super) store: Arc<StoreLink>,
    pub(super) settings: Settings,
    pub(super) specs: Vec<CollectionSpec>,
    pub(super) journal: Journal,
}

/// Tells the journal what was given up.
#[derive(Debug)]
struct Watching {
    session: Session,
    journal: Journal,
}

impl Observer for Watching {
    fn settled(&self, settlement: &Settlement<'_>) {
        let destination = names::number_of_destination(&settlement.subscription.destination);
        if let (SettledAs::DeadLettered, Some(destination)) = (settlement.settled, destination) {
            self.journal.note(Happening::Settled {
                session: self.session,
                destination,
                record: names::number_of(settlement.record),
                settled: settlement.settled,
            });
        }
    }
}

impl Worker {
    /// Starts.
    pub(super) fn start(parts: Parts) -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()?;
        let entered = runtime.enter();
        let started = parts.world_clock.elapsed();
        let clock = Arc::new(WorkerClock::starting(parts.world_clock, started));
        let observer = Watching {
            session: parts.session,
            journal: parts.journal.clone(),
        };
        let journal = parts.journal;
        let mut builder = Conduit::builder(parts.watcher, parts.store.clone())
            .clock(clock.clone())
            .observer(Arc::new(observer))
            .settings(parts.settings);
        for spec in parts.specs {
            builder = builder.collection(spec);
        }
        let conduit = builder
            .build()
            .map_err(|error: InvalidSetup| io::Error::other(error))?;
        let handle = conduit.handle();
        let (stop, stopped) = oneshot::channel();
        let task = runtime.spawn(conduit.run_until(async {
            // A sender that is dropped is a stop too.
            let _ = stopped.await;
        }));
        drop(entered);
        Ok(Self {
            session: parts.session,
            store: parts.store,
            is_frozen: false,
            stop_asked: None,
            clock,
            handle,
            stop: Some(stop),
            task,
            was_frozen: false,
            journal,
            runtime,
        })
    }

    /// Lets it work until so long after the beginning.
    pub(super) fn run_until(&self, elapsed: Duration) {
        let end = self.clock.instant_of(elapsed);
        self.journal.set_running(Some(Arc::clone(&self.clock)));
        // A timer can be made within the runtime only.
        self.runtime
            .block_on(async move { tokio::time::sleep_until(end).await });
        self.journal.set_running(None);
    }

    /// Stops giving it the processor.
    pub(super) fn freeze(&mut self) {
        self.is_frozen = true;
        self.was_frozen = true;
    }

    /// Gives it the processor again: its clock jumps to the present.
    pub(super) fn thaw(&mut self, elapsed: Duration) {
        self.is_frozen = false;
        let clock = Arc::clone(&self.clock);
        self.runtime.block_on(async move {
            let missed = elapsed.saturating_sub(clock.elapsed());
            tokio::time::advance(missed).await;
        });
    }

    /// Asks it to stop.
    pub(super) fn ask_to_stop(&mut self, elapsed: Duration) {
        if let Some(stop) = self.stop.take() {
            self.stop_asked = Some(elapsed);
            // A worker that has ended already needs no asking.
            let _ = stop.send(());
        }
    }

    /// Whether it has ended by itself.
    pub(super) fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// Returns how it ended.
    pub(super) fn ending(self) -> Result<Session, String> {
        match self.runtime.block_on(self.task) {
            Ok(Ok(())) if self.stop.is_none() => Ok(self.session),
            Ok(Ok(())) => Err("it stopped without being asked".to_owned()),
            Ok(Err(died)) => Err(died.to_string()),
            Err(panic) => Err(panic.to_string()),
        }
    }

    /// Whether nothing hindered it to stop: it was not frozen, and for some time before the store had answered in time.
    pub(super) fn is_undisturbed(&self) -> bool {
        const SOME_TIME: Duration = Duration::from_secs(15);
        let Some(asked) = self.stop_asked else {
            return false;
        };
        let is_old = |trouble: Duration| trouble + SOME_TIME < asked;
        !self.was_frozen && self.store.last_trouble().is_none_or(is_old)
    }

    /// Gives it another configuration.
    pub(super) fn configure(&self, specs: Vec<CollectionSpec>) -> Result<(), InvalidSetup> {
        self.handle.set_collections(specs)
    }

    /// Returns what it says of itself.
    pub(super) fn status(&self) -> Vec<CollectionStatus> {
        let _entered = self.runtime.enter();
        self.handle.status()
    }
}
