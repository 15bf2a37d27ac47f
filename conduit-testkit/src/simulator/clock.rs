//! The time of a simulated world: one for everything, and each worker's own, which stands still while it is frozen.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use conduit_core::{Clock, WallTime};
use tokio::time::Instant;

/// The wall-clock time at which every simulation begins.
const BEGINNING: i64 = 1_700_000_000_000;

/// How far the world has come: as far as whoever came farthest.
#[derive(Debug, Default)]
pub(super) struct WorldClock {
    millis: AtomicU64,
}

impl WorldClock {
    /// Returns how long ago the simulation began.
    pub(super) fn elapsed(&self) -> Duration {
        Duration::from_millis(self.millis.load(Ordering::Relaxed))
    }

    /// Notes that somebody came as far as this.
    pub(super) fn reach(&self, elapsed: Duration) {
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        self.millis.fetch_max(millis, Ordering::Relaxed);
    }
}

/// What the servers go by.
impl Clock for WorldClock {
    fn now(&self) -> WallTime {
        WallTime::from_millis(BEGINNING).after(self.elapsed())
    }
}

/// The clock of one worker, which follows its runtime's.
#[derive(Debug)]
pub(super) struct WorkerClock {
    world: Arc<WorldClock>,
    started: Duration,
    instant: Instant,
}

impl WorkerClock {
    /// The clock of a worker that starts now; made within its runtime.
    pub(super) fn starting(world: Arc<WorldClock>, started: Duration) -> Self {
        Self {
            world,
            started,
            instant: Instant::now(),
        }
    }

    /// Returns the runtime's time that corresponds to so long after the beginning.
    pub(super) fn instant_of(&self, elapsed: Duration) -> Instant {
        self.instant + elapsed.saturating_sub(self.started)
    }

    /// Returns how long after the beginning this worker is; asked within its runtime.
    pub(super) fn elapsed(&self) -> Duration {
        let elapsed = self.started + self.instant.elapsed();
        self.world.reach(elapsed);
        elapsed
    }
}

impl Clock for WorkerClock {
    fn now(&self) -> WallTime {
        WallTime::from_millis(BEGINNING).after(self.elapsed())
    }
}
