//! What fails as a whole, and is held while it does.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::pass::{Caller, Counts, Entry, Health, Pass, Turn};
use super::window::Window;
use crate::contract::{SinkError, SinkErrorKind};
use crate::value::RecordKey;

/// The first and the longest wait between probes.
const FIRST_PROBE: Duration = Duration::from_secs(1);
const MAX_PROBE: Duration = Duration::from_secs(60);
/// Half the width of the jitter of probes.
const JITTER: f64 = 0.1;
/// How long a suspected endpoint waits for somebody with a waiting record to ask.
const SUSPECT_PROBE: Duration = Duration::from_millis(200);
/// Every so manyth probe is a record of the stream, not a waiting one: those that wait may all be bad.
const PROBES_TO_A_TRIAL: u32 = 4;
/// How long a trial waits for a record of the stream before waiting records may be tried too.
const STREAM_FIRST: Duration = Duration::from_secs(2);
/// From so many calls at once on there is no limit any more.
const FULL_WIDTH: usize = 64;
/// A limited endpoint that gave no cause for so long is not limited any more.
const CALM: Duration = Duration::from_secs(10);

/// A destination's server as far as failing goes, shared by all of a worker's subscriptions that send to it.
///
/// It is *held* once 20 of the last 40 distinct keys failed in a way that speaks of the destination, not of the record. While
/// it is, one probe at a time goes out, at growing intervals, over different keys. The first answer lets one call at a
/// time through, then two, four, and so on; failures count as attempts again when there is no limit any more.
pub(crate) struct Endpoint {
    name: String,
    inner: Mutex<Inner>,
    health: watch::Sender<Health>,
    /// Changes whenever a call that waits may be allowed.
    changes: watch::Sender<()>,
    /// The order in which probes take their turn.
    turns: Semaphore,
}

#[derive(Debug)]
struct Inner {
    window: Window,
    phase: Phase,
    /// Tells one limited phase from the next, so that calls of the one do not count in the other.
    number: u64,
    /// How often in a row it proved to be failing still.
    failures: u32,
    waiting_probes: usize,
    rng: fastrand::Rng,
}

#[derive(Debug)]
enum Phase {
    Open,
    Held {
        next_probe: Instant,
        is_probing: bool,
    },
    Limited {
        width: usize,
        in_hand: usize,
        answered: usize,
        /// Nothing was answered yet.
        is_trial: bool,
        chains_from: Instant,
        calm_since: Instant,
    },
}

impl Inner {
    /// The stream's turn comes when nobody has a waiting record to probe with, and else every so often.
    fn next_trial(&self) -> Option<Instant> {
        let is_turn = self.waiting_probes == 0 || self.failures % PROBES_TO_A_TRIAL == PROBES_TO_A_TRIAL - 1;
        match self.phase {
            Phase::Held {
                next_probe,
                is_probing: false,
            } if is_turn => Some(next_probe),
            _ => None,
        }
    }
}

impl Endpoint {
    pub(crate) fn new(name: String, seed: u64) -> Arc<Self> {
        let inner = Inner {
            window: Window::default(),
            phase: Phase::Open,
            number: 0,
            failures: 0,
            waiting_probes: 0,
            rng: fastrand::Rng::with_seed(seed),
        };
        Arc::new(Self {
            name,
            inner: Mutex::new(inner),
            health: watch::Sender::new(Health::Serving),
            changes: watch::Sender::new(()),
            turns: Semaphore::new(1),
        })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Every critical section leaves it consistent, so a panic elsewhere does no harm.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Returns when a record of a stream may be tried, if that is the next thing to happen to a held endpoint.
    pub(crate) fn next_trial(&self) -> Option<Instant> {
        self.inner().next_trial()
    }

    /// Asks whether a call may be made now.
    pub(crate) fn enter(self: &Arc<Self>, caller: Caller) -> Entry {
        let now = Instant::now();
        let mut inner = self.inner();
        let number = inner.number;
        let is_streams_turn = inner.next_trial().is_some();
        let waits = match &mut inner.phase {
            Phase::Open => None,
            Phase::Held { next_probe, .. } if caller == Caller::Probe && now < *next_probe => {
                Some(Some(*next_probe))
            }
            Phase::Held { is_probing, .. } if caller == Caller::Probe && !*is_probing && !is_streams_turn => {
                *is_probing = true;
                None
            }
            Phase::Held { .. } => Some(None),
            Phase::Limited { in_hand, width, .. } if *in_hand >= *width => Some(None),
            Phase::Limited { chains_from, .. } if caller != Caller::Lane && now < *chains_from => {
                Some(Some(*chains_from))
            }
            Phase::Limited {
                in_hand, calm_since, ..
            } => {
                *in_hand += 1;
                if now.duration_since(*calm_since) >= CALM {
                    self.open(&mut inner);
                }
                None
            }
        };
        if let Some(until) = waits {
            return Entry::Wait(until);
        }
        let is_limited = !matches!(inner.phase, Phase::Open);
        Entry::Go(Pass::new(Arc::clone(self), is_limited.then_some(number)))
    }

    /// Waits for a probe's turn, which ends when the guard is dropped. Probes take turns in the order in which they asked.
    pub(crate) async fn turn(&self) -> Turn<'_> {
        self.inner().waiting_probes += 1;
        let mut turn = Turn::waiting(self);
        turn.begin(self.turns.acquire().await.ok());
        turn
    }

    /// Ends a probe's turn, or its wait for one.
    pub(super) fn end_turn(&self) {
        self.inner().waiting_probes -= 1;
    }

    /// Begins a trial if it is time for one.
    pub(crate) fn try_stream(&self) {
        let mut inner = self.inner();
        if inner.next_trial().is_some_and(|at| at <= Instant::now()) {
            self.limit(&mut inner, true);
        }
    }

    /// Holds an endpoint of which nothing is known yet, since so many keys wait from before that it may be failing.
    pub(crate) fn suspect(&self, waiting: usize) {
        let mut inner = self.inner();
        if !matches!(inner.phase, Phase::Open) || inner.window.counts().1 > 0 {
            return;
        }
        let reason = format!("{waiting} keys have failed before; asking whether it answers again");
        inner.phase = Phase::Held {
            next_probe: Instant::now() + SUSPECT_PROBE,
            is_probing: false,
        };
        self.tell(Health::Held(reason.into()));
    }

    /// Notes what a call came to: for each key whether the destination failed. Nothing is known of what was throttled.
    pub(super) fn report(&self, number: Option<u64>, outcomes: &[(RecordKey, Option<&SinkError>)]) -> Counts {
        let mut inner = self.inner();
        let blames = |error: &&SinkError| speaks_of_destination(error.kind());
        for (key, error) in outcomes {
            inner.window.note(*key, error.as_ref().is_some_and(blames));
        }
        let blamed = outcomes
            .iter()
            .find_map(|(_, error)| error.as_ref().filter(|error| blames(error)));
        let is_answered = outcomes.is_empty()
            || outcomes
                .iter()
                .any(|(_, error)| !error.as_ref().is_some_and(blames));
        let says_failing = blamed.is_some() && inner.window.says_failing();
        let is_of_now = number == Some(inner.number);
        match &mut inner.phase {
            Phase::Open if says_failing => self.hold(&mut inner, blamed.copied()),
            Phase::Open if number.is_none() => return Counts::Yes,
            Phase::Held { is_probing, .. } if is_of_now => {
                *is_probing = false;
                if is_answered {
                    self.limit(&mut inner, false);
                } else {
                    self.hold(&mut inner, blamed.copied());
                }
            }
            Phase::Limited { is_trial, .. } if is_of_now && (says_failing || (*is_trial && !is_answered)) => {
                self.hold(&mut inner, blamed.copied())
            }
            Phase::Limited { .. } if is_of_now => self.widen(&mut inner, is_answered, blamed.is_some()),
            Phase::Open | Phase::Held { .. } | Phase::Limited { .. } => {}
        }
        Counts::No
    }

    /// Notes that a call was not made, or its outcome is not known.
    pub(super) fn give_back(&self, number: Option<u64>) {
        let mut inner = self.inner();
        if number != Some(inner.number) {
            return;
        }
        match &mut inner.phase {
            Phase::Open => {}
            Phase::Held { is_probing, .. } => *is_probing = false,
            Phase::Limited { in_hand, .. } => *in_hand = in_hand.saturating_sub(1),
        }
        self.changes.send_replace(());
    }

    fn hold(&self, inner: &mut Inner, error: Option<&SinkError>) {
        let doublings = inner.failures.min(16);
        let wait = FIRST_PROBE.saturating_mul(1 << doublings).min(MAX_PROBE);
        let jitter = 1.0 - JITTER + 2.0 * JITTER * inner.rng.f64();
        let wait = wait.mul_f64(jitter).min(MAX_PROBE);
        inner.failures = inner.failures.saturating_add(1);
        let was_held = matches!(inner.phase, Phase::Held { .. });
        inner.phase = Phase::Held {
            next_probe: Instant::now() + wait,
            is_probing: false,
        };
        inner.number += 1;
        let reason = reason(error, inner.window.counts());
        if !was_held {
            tracing::warn!(endpoint = %self.name, reason, next_probe_in = ?wait, "the destination fails as a whole: held, nothing counts as an attempt until it answers");
        }
        self.tell(Health::Held(reason.into()));
    }

    /// Lets one call at a time through, for a trial or since a probe was answered.
    fn limit(&self, inner: &mut Inner, is_trial: bool) {
        let now = Instant::now();
        inner.number += 1;
        inner.phase = Phase::Limited {
            width: 1,
            in_hand: 0,
            answered: 0,
            is_trial,
            chains_from: if is_trial { now + STREAM_FIRST } else { now },
            calm_since: now,
        };
        let health = match (&*self.health.borrow(), is_trial) {
            (Health::Held(reason), true) => Health::Trying(Arc::clone(reason)),
            _ => Health::Serving,
        };
        if !is_trial {
            tracing::info!(endpoint = %self.name, "the destination answers again: one call at a time, then more");
        }
        self.tell(health);
    }

    /// Counts an answer of a limited endpoint, and widens the limit once there were as many as it allows at once.
    fn widen(&self, inner: &mut Inner, is_answered: bool, is_blamed: bool) {
        let Phase::Limited {
            width,
            in_hand,
            answered,
            is_trial,
            chains_from,
            calm_since,
        } = &mut inner.phase
        else {
            return;
        };
        *in_hand = in_hand.saturating_sub(1);
        *answered += 1;
        *chains_from = Instant::now();
        if is_blamed {
            *calm_since = Instant::now();
        }
        let ends_trial = *is_trial && is_answered;
        *is_trial &= !is_answered;
        if *answered >= *width && !*is_trial {
            *width *= 2;
            *answered = 0;
        }
        let is_full = *width >= FULL_WIDTH;
        if ends_trial {
            tracing::info!(endpoint = %self.name, "the destination answers again: one call at a time, then more");
        }
        if is_full {
            self.open(inner);
        } else if ends_trial {
            self.tell(Health::Serving);
        } else {
            self.changes.send_replace(());
        }
    }

    /// Lifts the limit; what was seen before counts for nothing any more.
    fn open(&self, inner: &mut Inner) {
        inner.phase = Phase::Open;
        inner.number += 1;
        inner.failures = 0;
        inner.window = Window::default();
        self.tell(Health::Serving);
    }

    fn tell(&self, health: Health) {
        self.health.send_if_modified(|known| {
            let is_new = *known != health;
            *known = health;
            is_new
        });
        self.changes.send_replace(());
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Whether a failure speaks of the destination rather than of the record.
fn speaks_of_destination(kind: SinkErrorKind) -> bool {
    match kind {
        SinkErrorKind::Unavailable | SinkErrorKind::Timeout | SinkErrorKind::Unauthorized => true,
        SinkErrorKind::Throttled { .. }
        | SinkErrorKind::NotSent
        | SinkErrorKind::Rejected
        | SinkErrorKind::Undeliverable => false,
    }
}

fn reason(error: Option<&SinkError>, (failing, keys): (usize, usize)) -> String {
    let Some(error) = error else {
        return format!("{failing} of the last {keys} keys failed");
    };
    let hint = match error.kind() {
        SinkErrorKind::Unauthorized => "it refuses what is sent, check the credentials and the address",
        SinkErrorKind::Timeout => "it does not answer",
        _ => "it fails",
    };
    format!(
        "{hint}: {failing} of the last {keys} keys failed, lastly with: {}",
        error.report()
    )
}

#[cfg(test)]
#[path = "endpoint_tests.rs"]
mod tests;
