//! Where the parts of a simulated world note what happens, in order.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::clock::{WorkerClock, WorldClock};
use super::happening::{Entry, Happening};

/// The one list of everything that happened. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Journal {
    clock: Arc<WorldClock>,
    entries: Arc<Mutex<Vec<Entry>>>,
    /// The worker that runs right now: what happens happens at its time.
    running: Arc<Mutex<Option<Arc<WorkerClock>>>>,
}

impl Journal {
    pub(super) fn new(clock: Arc<WorldClock>) -> Self {
        Self {
            clock,
            entries: Arc::default(),
            running: Arc::default(),
        }
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what happens now.
    pub(super) fn note(&self, happening: Happening) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let at = running
            .as_ref()
            .map_or_else(|| self.clock.elapsed(), |worker| worker.elapsed());
        drop(running);
        self.entries().push(Entry { at, happening });
    }

    /// Notes which worker runs from now on, if any.
    pub(super) fn set_running(&self, worker: Option<Arc<WorkerClock>>) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = worker;
    }

    /// Returns what was noted since the last call.
    pub(super) fn take(&self) -> Vec<Entry> {
        std::mem::take(&mut *self.entries())
    }
}
