//! What one subscription sees of its destination: whether it fails as a whole, and is held while it does.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::pass::{Caller, Counts, Entry, Health, Outcomes, Pass, Turn};
use super::server::Server;
use super::window::Window;
use crate::contract::{SinkError, SinkErrorKind, Subject};
use crate::value::SubscriptionId;

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

/// A destination as far as failing goes.
///
/// It is *held* once 20 of the last 40 distinct keys failed in a way that speaks of the destination, not of the record; or
/// once one failed while its server fails for others and did not answer this one either. While it is held, one probe at
/// a time goes out, at growing intervals, over different keys. The first answer lets one call at a time through, then
/// two, four, and so on; failures count as attempts again when there is no limit any more.
pub(crate) struct Endpoint {
    id: SubscriptionId,
    server: Arc<Server>,
    /// Tells this endpoint's keys from those of others at the server.
    number_at_server: u64,
    inner: Mutex<Inner>,
    health: watch::Sender<Health>,
    /// Changes whenever a call that waits may be allowed.
    changes: watch::Sender<()>,
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
    last_answer: Option<Instant>,
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
    /// The stream's turn comes when no record waits to probe with, and else every so often.
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
    /// The endpoint of a subscription, at this server.
    pub(super) fn new(id: SubscriptionId, server: Arc<Server>) -> Arc<Self> {
        let inner = Inner {
            window: Window::default(),
            phase: Phase::Open,
            number: 0,
            failures: 0,
            waiting_probes: 0,
            last_answer: None,
        };
        Arc::new(Self {
            id,
            number_at_server: server.next_id(),
            server,
            inner: Mutex::new(inner),
            health: watch::Sender::new(Health::Serving),
            changes: watch::Sender::new(()),
        })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Every critical section leaves it consistent, so a panic elsewhere does no harm.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells how the destination does. It is told anew, the same maybe, when the time of the next trial may be another.
    pub(crate) fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// Returns when a record of the stream may be tried, if that is the next thing to happen to a held endpoint.
    pub(crate) fn next_trial(&self) -> Option<Instant> {
        self.inner().next_trial()
    }

    /// Asks whether a call may be made now. A probe needs a turn at the server, once its own time has come.
    pub(super) fn enter(self: &Arc<Self>, caller: Caller, turn: Option<&Turn<'_>>) -> Entry {
        let mut inner = self.inner();
        if matches!(inner.phase, Phase::Open) {
            return Entry::Go(Pass::new(Arc::clone(self), None));
        }
        let now = Instant::now();
        let is_streams_turn = inner.next_trial().is_some();
        let waits = match &mut inner.phase {
            Phase::Open => None,
            Phase::Held { .. } if caller != Caller::Probe => Some(Entry::Wait(None)),
            Phase::Held { next_probe, .. } if now < *next_probe => Some(Entry::Wait(Some(*next_probe))),
            Phase::Held { is_probing, .. } if *is_probing || is_streams_turn => Some(Entry::Wait(None)),
            Phase::Held { is_probing, .. } => match turn.map(|_| self.server.next_probe()) {
                None => Some(Entry::NeedsTurn),
                Some(at) if now < at => Some(Entry::Wait(Some(at))),
                Some(_) => {
                    *is_probing = true;
                    None
                }
            },
            Phase::Limited { in_hand, width, .. } if *in_hand >= *width => Some(Entry::Wait(None)),
            Phase::Limited { chains_from, .. } if caller != Caller::Lane && now < *chains_from => {
                Some(Entry::Wait(Some(*chains_from)))
            }
            Phase::Limited {
                in_hand,
                calm_since,
                is_trial,
                ..
            } => {
                *in_hand += 1;
                if !*is_trial && now.duration_since(*calm_since) >= CALM {
                    self.open(&mut inner);
                }
                None
            }
        };
        if let Some(waits) = waits {
            return waits;
        }
        let is_limited = !matches!(inner.phase, Phase::Open);
        let number = is_limited.then_some(inner.number);
        Entry::Go(Pass::new(Arc::clone(self), number))
    }

    /// Notes that a waiting record is there to probe with.
    pub(super) fn begin_probe(&self) {
        self.inner().waiting_probes += 1;
    }

    /// Notes that it is not any more: the stream may have its turn.
    pub(super) fn end_probe(&self) {
        self.inner().waiting_probes -= 1;
        self.health.send_modify(|_| {});
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

    /// Notes what a call came to: for each key why it failed, if it did. Nothing is said of what is sent again.
    pub(super) fn report<'e>(&self, number: Option<u64>, mut outcomes: impl Outcomes<'e>) -> Counts {
        let blames = |error: &&SinkError| error.subject() == Subject::Destination;
        let sent = || {
            let fails = |error: Option<&SinkError>| error.as_ref().is_some_and(blames);
            outcomes
                .clone()
                .map(move |(key, error)| ((self.number_at_server, key), fails(error)))
        };
        let server_fails = self.server.note(sent());
        let mut inner = self.inner();
        for (key, fails) in sent() {
            inner.window.note(key, fails);
        }
        let is_answered = sent().next().is_none() || sent().any(|(_, fails)| !fails);
        let blamed = outcomes.find_map(|(_, error)| error.filter(blames));
        if is_answered {
            inner.last_answer = Some(Instant::now());
        }
        let shares_failure =
            server_fails.is_some_and(|since| inner.last_answer.is_none_or(|answer| answer < since));
        let says_failing = blamed.is_some() && (inner.window.says_failing() || shares_failure);
        let is_of_now = number == Some(inner.number);
        match &mut inner.phase {
            Phase::Open if says_failing => self.hold(&mut inner, blamed),
            Phase::Open if number.is_none() => return Counts::Yes,
            Phase::Held { .. } if is_of_now => {
                self.server.probed(is_answered);
                if is_answered {
                    self.limit(&mut inner, false);
                } else {
                    self.hold(&mut inner, blamed);
                }
            }
            Phase::Limited { is_trial, .. } if is_of_now && (says_failing || (*is_trial && !is_answered)) => {
                self.hold(&mut inner, blamed);
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
        let wait = self.server.wait(inner.failures);
        inner.failures = inner.failures.saturating_add(1);
        let was_held = matches!(inner.phase, Phase::Held { .. });
        inner.phase = Phase::Held {
            next_probe: Instant::now() + wait,
            is_probing: false,
        };
        inner.number += 1;
        let reason = reason(error, inner.window.counts());
        if !was_held {
            tracing::warn!(collection = %self.id.collection, destination = %self.id.destination, server = self.server.name(), reason, next_probe_in = ?wait, "the destination fails as a whole: held, nothing counts as an attempt until it answers");
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
        if !is_trial {
            return self.answers_again(inner);
        }
        let health = match &*self.health.borrow() {
            Health::Held(reason) => Health::Trying(Arc::clone(reason)),
            Health::Serving | Health::Trying(_) => Health::Serving,
        };
        self.tell(health);
    }

    /// Notes the first answer of a limited phase. What was seen before counts for nothing: only as many failing keys as at
    /// first hold it again.
    fn answers_again(&self, inner: &mut Inner) {
        tracing::info!(collection = %self.id.collection, destination = %self.id.destination, "the destination answers again: one call at a time, then more");
        inner.window = Window::default();
        self.tell(Health::Serving);
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
        if is_full {
            self.open(inner);
        } else if ends_trial {
            self.answers_again(inner);
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
        self.server.forget(self.number_at_server);
        self.tell(Health::Serving);
    }

    fn tell(&self, health: Health) {
        self.health.send_replace(health);
        self.changes.send_replace(());
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("id", &self.id)
            .finish_non_exhaustive()
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
