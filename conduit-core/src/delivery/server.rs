//! What several destinations at one server learn of it together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::window::{SentKey, Window};

/// The first and the longest wait between probes.
const FIRST_PROBE: Duration = Duration::from_secs(1);
const MAX_PROBE: Duration = Duration::from_secs(60);
/// Half the width of the jitter of probes.
const JITTER: f64 = 0.1;

/// A server: scheme, host and port, or whatever else a sink calls its endpoint.
///
/// Each destination is held by itself, since one path of a server can fail while another works. But a destination whose
/// record fails while its server fails for others, and that has had no answer since, need not find out by itself; and
/// all destinations of a server ask it one at a time whether it answers again.
#[derive(Debug)]
pub(crate) struct Server {
    name: String,
    inner: Mutex<Inner>,
    /// The order in which probes take their turn.
    turns: Semaphore,
    ids: AtomicU64,
}

#[derive(Debug)]
struct Inner {
    window: Window,
    /// Since when it fails as a whole.
    failing_since: Option<Instant>,
    /// How often in a row a probe failed, whosever it was, and when the next one may go out.
    failures: u32,
    next_probe: Instant,
    rng: fastrand::Rng,
}

impl Server {
    pub(super) fn new(name: String, seed: u64) -> Self {
        let inner = Inner {
            window: Window::default(),
            failing_since: None,
            failures: 0,
            next_probe: Instant::now(),
            rng: fastrand::Rng::with_seed(seed),
        };
        Self {
            name,
            inner: Mutex::new(inner),
            turns: Semaphore::new(1),
            ids: AtomicU64::new(0),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Every critical section leaves it consistent, so a panic elsewhere does no harm.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// Notes what became of keys; tells since when the server fails as a whole, if it does.
    pub(super) fn note(&self, sent: impl Iterator<Item = (SentKey, bool)>) -> Option<Instant> {
        let mut inner = self.inner();
        for (key, fails) in sent {
            inner.window.note(key, fails);
        }
        if inner.window.says_failing() {
            inner.failing_since.get_or_insert_with(Instant::now);
        } else if inner.window.says_well() {
            inner.failing_since = None;
        }
        inner.failing_since
    }

    /// Forgets what one destination saw, which is well again.
    pub(super) fn forget(&self, id: u64) {
        let mut inner = self.inner();
        inner.window.forget_all_of(id);
        if inner.window.says_well() {
            inner.failing_since = None;
        }
    }

    /// How long to wait for the next probe after so many failed in a row, jittered.
    pub(super) fn wait(&self, failures: u32) -> Duration {
        let plain = FIRST_PROBE.saturating_mul(1 << failures.min(16)).min(MAX_PROBE);
        let jitter = 1.0 - JITTER + 2.0 * JITTER * self.inner().rng.f64();
        plain.mul_f64(jitter).min(MAX_PROBE)
    }

    /// Waits for a probe's turn. Probes take turns in the order in which they asked.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.turns.acquire().await.ok()
    }

    /// Returns when the next probe may go out.
    pub(super) fn next_probe(&self) -> Instant {
        self.inner().next_probe
    }

    /// Notes a probe's outcome: after an answer the next one may ask at once.
    pub(super) fn probed(&self, is_answered: bool) {
        let (failures, wait) = if is_answered {
            (0, Duration::ZERO)
        } else {
            let failures = self.inner().failures;
            (failures.saturating_add(1), self.wait(failures))
        };
        let mut inner = self.inner();
        inner.failures = failures;
        inner.next_probe = Instant::now() + wait;
    }
}
