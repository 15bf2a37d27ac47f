//! A clock that moves when it is told to.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use conduit_core::{Clock, WallTime};

/// Stands still until time is let pass.
#[derive(Debug)]
pub(crate) struct SetClock(AtomicI64);

impl SetClock {
    /// Moves the clock on.
    pub(crate) fn pass(&self, time: Duration) {
        self.0
            .fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Default for SetClock {
    fn default() -> Self {
        Self(AtomicI64::new(1_700_000_000_000))
    }
}

impl Clock for SetClock {
    fn now(&self) -> WallTime {
        WallTime::from_millis(self.0.load(Ordering::SeqCst))
    }
}
