//! What a call passes before it is sent: the lease must be held, the destination must not have asked to wait.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// The holder's own view of its lease, by the monotonic clock.
#[derive(Debug)]
pub(crate) struct LeaseGuard {
    state: watch::Sender<LeaseState>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeaseState {
    /// Held at least until then, unless it is renewed.
    Until(Instant),
    /// Another worker took it.
    Lost,
}

impl LeaseGuard {
    pub(crate) fn new(until: Instant) -> Arc<Self> {
        Arc::new(Self {
            state: watch::Sender::new(LeaseState::Until(until)),
        })
    }

    /// Notes a renewal. A lost lease stays lost.
    pub(crate) fn renewed(&self, until: Instant) {
        self.state.send_if_modified(|state| match state {
            LeaseState::Until(at) if *at < until => {
                *at = until;
                true
            }
            LeaseState::Until(_) | LeaseState::Lost => false,
        });
    }

    pub(crate) fn lose(&self) {
        self.state.send_replace(LeaseState::Lost);
    }

    pub(crate) fn is_held(&self) -> bool {
        matches!(*self.state.borrow(), LeaseState::Until(until) if Instant::now() < until)
    }

    /// Waits until the lease is lost.
    pub(crate) async fn lost(&self) {
        let mut states = self.state.subscribe();
        // The sender lives as long as `self`, so waiting ends only by the loss.
        let _ = states.wait_for(|state| *state == LeaseState::Lost).await;
    }
}

/// The longest that a destination can ask to wait.
const MAX_THROTTLE: Duration = Duration::from_secs(300);
/// The first and the longest wait where it does not say how long.
const FIRST_THROTTLE: Duration = Duration::from_secs(1);
const MAX_UNTOLD_THROTTLE: Duration = Duration::from_secs(60);

/// Lets calls of one subscription through, or makes them wait.
#[derive(Debug)]
pub(crate) struct Gate {
    lease: Arc<LeaseGuard>,
    state: watch::Sender<GateState>,
}

#[derive(Clone, Copy, Debug)]
struct GateState {
    closed: bool,
    /// No call before then, as the destination asked.
    not_before: Option<Instant>,
    next_untold: Duration,
}

impl Gate {
    pub(crate) fn new(lease: Arc<LeaseGuard>) -> Self {
        let state = GateState {
            closed: false,
            not_before: None,
            next_untold: FIRST_THROTTLE,
        };
        Self {
            lease,
            state: watch::Sender::new(state),
        }
    }

    pub(crate) fn lease(&self) -> &Arc<LeaseGuard> {
        &self.lease
    }

    /// Returns until when the destination asked to wait, lastly.
    pub(crate) fn not_before(&self) -> Option<Instant> {
        self.state.borrow().not_before
    }

    /// Whether a call may be sent right now.
    pub(crate) fn is_open(&self) -> bool {
        let state = *self.state.borrow();
        let waited = state.not_before.is_none_or(|at| at <= Instant::now());
        !state.closed && waited && self.lease.is_held()
    }

    /// Waits until a call may be sent; `false` if none will be any more.
    pub(crate) async fn pass(&self) -> bool {
        let mut gate = self.state.subscribe();
        let mut lease = self.lease.state.subscribe();
        loop {
            let state = *gate.borrow_and_update();
            let held = *lease.borrow_and_update();
            if state.closed || held == LeaseState::Lost {
                return false;
            }
            let now = Instant::now();
            let throttled = state.not_before.filter(|at| *at > now);
            let expired = matches!(held, LeaseState::Until(until) if until <= now);
            // Whichever of these comes first is only a reason to look again.
            let changed = match (expired, throttled) {
                (false, None) => return true,
                (true, _) => tokio::select! {
                    changed = gate.changed() => changed,
                    changed = lease.changed() => changed,
                },
                (false, Some(at)) => tokio::select! {
                    changed = gate.changed() => changed,
                    changed = lease.changed() => changed,
                    () = tokio::time::sleep_until(at) => Ok(()),
                },
            };
            if changed.is_err() {
                return false;
            }
        }
    }

    /// Notes that the destination asked to wait.
    pub(crate) fn throttle(&self, retry_after: Option<Duration>) {
        // A destination that throttles and asks for no wait at all has not said how long.
        let retry_after = retry_after.filter(|wait| !wait.is_zero());
        self.state.send_modify(|state| {
            let wait = retry_after.unwrap_or(state.next_untold).min(MAX_THROTTLE);
            let at = Instant::now() + wait;
            // Many calls in hand may be told at once; that is one throttling, so the wait doubles once.
            let is_first = state
                .not_before
                .is_none_or(|not_before| not_before <= Instant::now());
            if retry_after.is_none() && is_first {
                state.next_untold = (state.next_untold * 2).min(MAX_UNTOLD_THROTTLE);
            }
            if is_first || retry_after.is_some() {
                state.not_before = Some(state.not_before.map_or(at, |not_before| not_before.max(at)));
            }
        });
    }

    /// Notes an answer that was not throttling.
    pub(crate) fn answered(&self) {
        let is_known = self.state.borrow().next_untold == FIRST_THROTTLE;
        if !is_known {
            self.state.send_if_modified(|state| {
                state.next_untold = FIRST_THROTTLE;
                false
            });
        }
    }

    /// Waits until nothing is let through any more.
    pub(crate) async fn closed(&self) {
        let mut gate = self.state.subscribe();
        // The sender lives as long as `self`.
        let _ = gate.wait_for(|state| state.closed).await;
    }

    /// Lets nothing through any more.
    pub(crate) fn close(&self) {
        self.state.send_modify(|state| state.closed = true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(seconds: u64) -> Arc<LeaseGuard> {
        LeaseGuard::new(Instant::now() + Duration::from_secs(seconds))
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttled_gate_opens_when_the_destination_said() {
        let gate = Gate::new(lease(100));
        gate.throttle(Some(Duration::from_secs(7)));
        let start = Instant::now();
        assert!(!gate.is_open());
        assert!(gate.pass().await);
        assert_eq!(start.elapsed().as_secs(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn an_expired_lease_stops_calls_until_it_is_renewed() {
        let guard = lease(1);
        let gate = Arc::new(Gate::new(Arc::clone(&guard)));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(!gate.is_open());
        let waiting = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.pass().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        guard.renewed(Instant::now() + Duration::from_secs(1));
        assert!(waiting.await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_lease_lets_nothing_through_even_if_renewed_later() {
        let guard = lease(100);
        let gate = Gate::new(Arc::clone(&guard));
        guard.lose();
        guard.renewed(Instant::now() + Duration::from_secs(1000));
        assert!(!gate.pass().await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_was_not_told_doubles_once_a_throttling_up_to_a_minute() {
        let gate = Gate::new(lease(10_000));
        let mut waits = Vec::new();
        for _ in 0..8 {
            gate.throttle(None);
            gate.throttle(None);
            let start = Instant::now();
            assert!(gate.pass().await);
            waits.push(start.elapsed().as_secs());
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    }
}
