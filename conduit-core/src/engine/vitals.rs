//! What a subscription waits for and since when, which tells whether it is stuck.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::delivery::Gate;

/// How much longer the turns of others may take than anything else that is waited for.
const TURNS: u32 = 10;

/// What has to come for a subscription to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Awaited {
    /// The store's answer to a commit.
    Commit,
    /// The contents of waiting records, which the store has.
    Contents,
    /// The outcome of a record that was given to the lanes.
    Outcome,
    /// What the source has, be it only how far it was read.
    Change,
    /// That the source is read for it: those that are behind at different places take turns.
    Turn,
}

/// The waits of one subscription, written by its task and read by the watchdog.
///
/// Whatever a subscription waits for comes within a bounded time: calls, commits and reads have time-outs and are tried
/// again, and an idle stream tells how far it was read. So one wait that lasts is all there is to see of a subscription
/// that does not go on, whatever the reason; and the wait that ends often, such as that for outcomes while others of them
/// come, is progress.
#[derive(Debug)]
pub(crate) struct Vitals {
    gate: Arc<Gate>,
    /// How long a wait may last.
    patience: Duration,
    /// How long a call may take.
    call_timeout: Duration,
    since: Mutex<[Option<Instant>; 5]>,
}

impl Vitals {
    pub(crate) fn new(gate: Arc<Gate>, patience: Duration, call_timeout: Duration) -> Arc<Self> {
        Arc::new(Self {
            gate,
            patience,
            call_timeout,
            since: Mutex::default(),
        })
    }

    fn since(&self) -> MutexGuard<'_, [Option<Instant>; 5]> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what is waited for now, and nothing else.
    pub(crate) fn wait_for(&self, awaited: impl Fn(Awaited) -> bool) {
        let mut all = self.since();
        for kind in [
            Awaited::Commit,
            Awaited::Contents,
            Awaited::Outcome,
            Awaited::Change,
            Awaited::Turn,
        ] {
            let since = &mut all[kind as usize];
            *since = awaited(kind).then(|| since.unwrap_or_else(Instant::now));
        }
    }

    /// Notes that one came: a wait for another begins anew.
    pub(crate) fn came(&self, awaited: Awaited) {
        self.since()[awaited as usize] = None;
    }

    /// Says what it has waited for too long, if anything. Time before `awake_since` does not count, nor what the
    /// destination asked to wait.
    pub(crate) fn stuck(&self, now: Instant, awake_since: Instant) -> Option<&'static str> {
        let all = *self.since();
        let is_overdue = |awaited: Awaited, from: Option<Instant>, patience: Duration| {
            let since = all[awaited as usize].into_iter().chain(from).max();
            all[awaited as usize].is_some()
                && since.is_some_and(|since| now.duration_since(since.max(awake_since)) >= patience)
        };
        if is_overdue(Awaited::Commit, None, self.patience) {
            return Some("the state store: it does not answer a commit");
        }
        if is_overdue(Awaited::Contents, None, self.patience) {
            return Some("the state store: it does not return waiting records");
        }
        let throttled = self.gate.not_before();
        if is_overdue(Awaited::Outcome, throttled, self.patience + self.call_timeout) {
            return Some(match self.gate.lease().is_held() {
                true => "the destination: records are in hand, and nothing is heard of any of them",
                false => "the state store: the lease cannot be renewed, and nothing is sent without it",
            });
        }
        if is_overdue(Awaited::Change, None, self.patience) {
            return Some("the source: its stream brings nothing, not even how far it was read");
        }
        if is_overdue(Awaited::Turn, None, self.patience * TURNS) {
            return Some("the source: its turn to be read does not come, or its stream cannot be opened");
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::LeaseGuard;

    const PATIENCE: Duration = Duration::from_secs(60);
    const CALL: Duration = Duration::from_secs(30);

    struct Scene {
        start: Instant,
        gate: Arc<Gate>,
        vitals: Arc<Vitals>,
    }

    impl Scene {
        fn new() -> Self {
            let start = Instant::now();
            let lease = LeaseGuard::new(start + Duration::from_secs(10_000));
            let gate = Arc::new(Gate::new(lease));
            let vitals = Vitals::new(Arc::clone(&gate), PATIENCE, CALL);
            Self { start, gate, vitals }
        }

        /// Which server is waited for too long, this many seconds after the start.
        fn stuck_at(&self, seconds: u64) -> Option<&'static str> {
            let stuck = self
                .vitals
                .stuck(self.start + Duration::from_secs(seconds), self.start)?;
            stuck.split_once(':').map(|(server, _)| server)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_lasts_is_noticed_and_an_outcome_has_the_time_of_a_call_besides() {
        for (awaited, who, after) in [
            (Awaited::Commit, "the state store", 60),
            (Awaited::Contents, "the state store", 60),
            (Awaited::Outcome, "the destination", 90),
            (Awaited::Change, "the source", 60),
            (Awaited::Turn, "the source", 600),
        ] {
            let scene = Scene::new();
            scene.vitals.wait_for(|kind| kind == awaited);
            assert_eq!(scene.stuck_at(after - 1), None, "{awaited:?}");
            assert_eq!(scene.stuck_at(after), Some(who), "{awaited:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_goes_on_until_what_is_waited_for_came() {
        let scene = Scene::new();
        scene.vitals.wait_for(|kind| kind == Awaited::Commit);
        tokio::time::advance(Duration::from_secs(50)).await;
        scene.vitals.wait_for(|kind| kind == Awaited::Commit);
        assert!(scene.stuck_at(60).is_some());
        scene.vitals.came(Awaited::Commit);
        assert_eq!(scene.stuck_at(1000), None);
        scene.vitals.wait_for(|kind| kind == Awaited::Commit);
        assert_eq!(scene.stuck_at(109), None);
        assert!(scene.stuck_at(110).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_destination_asked_to_wait_does_not_count() {
        let scene = Scene::new();
        scene.vitals.wait_for(|kind| kind == Awaited::Outcome);
        scene.gate.throttle(Some(Duration::from_secs(200)));
        assert_eq!(scene.stuck_at(289), None);
        assert_eq!(scene.stuck_at(290), Some("the destination"));
    }

    #[tokio::test(start_paused = true)]
    async fn without_the_lease_it_is_the_store_that_is_waited_for() {
        let scene = Scene::new();
        scene.vitals.wait_for(|kind| kind == Awaited::Outcome);
        tokio::time::advance(Duration::from_secs(20_000)).await;
        assert_eq!(scene.stuck_at(20_000), Some("the state store"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_that_a_process_was_frozen_does_not_count() {
        let scene = Scene::new();
        scene.vitals.wait_for(|kind| kind == Awaited::Change);
        let thawed = scene.start + Duration::from_secs(500);
        let later = |seconds| thawed + Duration::from_secs(seconds);
        assert_eq!(scene.vitals.stuck(later(59), thawed), None);
        assert!(scene.vitals.stuck(later(60), thawed).is_some());
    }
}
