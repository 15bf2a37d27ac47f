//! What can be seen of a subscription from outside.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::phase::SubscriptionPhase;
use super::vitals::Vitals;
use super::watchdog::Change;
use crate::contract::SettledAs;
use crate::value::{ClusterTime, DestinationId, Position, SubscriptionId, WallTime};

/// A subscription as seen from outside.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SubscriptionStatus {
    /// The destination.
    pub id: DestinationId,
    /// What it is doing.
    pub phase: SubscriptionPhase,
    /// Why, if that needs a reason.
    pub reason: Option<String>,
    /// Since when.
    pub since: WallTime,
    /// Age of the oldest unsettled change, waiting ones included; zero when everything is read and settled; `None` until
    /// it is known.
    pub lag_seconds: Option<f64>,
    /// The source's time of the committed position.
    pub position_time: Option<WallTime>,
    /// A time of the source at or before every change that is neither acknowledged nor a dead letter, as far as is
    /// committed: where to begin if the store loses everything.
    pub low_water_mark: Option<ClusterTime>,
    /// How often the position was moved by an operator.
    pub generation: u64,
    /// Records delivered since this process started.
    pub delivered: u64,
    /// Records passed over since this process started.
    pub filtered: u64,
    /// Failed attempts that were followed by a wait, since this process started.
    pub retried: u64,
    /// Records given up since this process started.
    pub dead_lettered: u64,
    /// Records that wait.
    pub retry_length: u64,
    /// Dead letters.
    pub dlq_length: u64,
    /// Deliveries a second, a mean over the last few seconds.
    pub rate: f64,
    /// Why the last failed attempt failed.
    pub last_error: Option<String>,
    /// When that was.
    pub last_error_time: Option<WallTime>,
    /// What it waits for, if it is stuck: input waits, and nothing moved for [`Settings::stuck_after`](crate::Settings).
    #[serde(default)]
    pub stuck: Option<String>,
}

/// The status of one subscription, written by its task and read by anyone.
#[derive(Debug)]
pub(crate) struct StatusCell {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    status: SubscriptionStatus,
    /// Whether the stream was read to its end, and the newest change read.
    reached_end: bool,
    last_read: Option<WallTime>,
    oldest_open: Option<WallTime>,
    is_full: bool,
    is_lost: bool,
    /// What it waits for, while its task runs.
    vitals: Option<Arc<Vitals>>,
    /// What it has waited for too long, as the watchdog found.
    stuck: Option<&'static str>,
    window_start: WallTime,
    window_count: u64,
}

/// How much later a change's wall time may be than its logical time.
const CLOCK_TOLERANCE_SECONDS: i64 = 2;
/// How a rate is averaged.
const RATE_WINDOW_MS: i64 = 1_000;
/// The weight of the past fades by this time constant.
const RATE_MEMORY_MS: f64 = 3_000.0;

impl StatusCell {
    pub(crate) fn new(id: &SubscriptionId, now: WallTime) -> Self {
        let status = SubscriptionStatus {
            id: id.destination.clone(),
            phase: SubscriptionPhase::Starting,
            reason: None,
            since: now,
            lag_seconds: None,
            position_time: None,
            low_water_mark: None,
            generation: 0,
            delivered: 0,
            filtered: 0,
            retried: 0,
            dead_lettered: 0,
            retry_length: 0,
            dlq_length: 0,
            rate: 0.0,
            last_error: None,
            last_error_time: None,
            stuck: None,
        };
        Self {
            inner: Mutex::new(Inner {
                status,
                reached_end: false,
                last_read: None,
                oldest_open: None,
                is_full: false,
                is_lost: false,
                vitals: None,
                stuck: None,
                window_start: now,
                window_count: 0,
            }),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_phase(&self, phase: SubscriptionPhase, reason: Option<String>, now: WallTime) {
        let status = &mut self.inner().status;
        if status.phase != phase || status.reason != reason {
            status.phase = phase;
            status.since = now;
            status.reason = reason;
        }
    }

    /// Counts a settled record or a failed attempt.
    pub(crate) fn count(&self, settled: SettledAs, error: Option<&str>, now: WallTime) {
        let mut inner = self.inner();
        let status = &mut inner.status;
        match settled {
            SettledAs::Delivered => status.delivered += 1,
            SettledAs::Filtered => status.filtered += 1,
            SettledAs::Retried => status.retried += 1,
            SettledAs::DeadLettered => {
                status.dead_lettered += 1;
                status.dlq_length += 1;
            }
        }
        if let Some(error) = error {
            status.last_error = Some(error.to_owned());
            status.last_error_time = Some(now);
        }
        if settled == SettledAs::Delivered {
            inner.window_count += 1;
            inner.roll_window(now);
        }
    }

    pub(crate) fn set_counts(&self, retry_length: usize, dlq_length: Option<u64>) {
        let status = &mut self.inner().status;
        status.retry_length = retry_length as u64;
        status.dlq_length = dlq_length.unwrap_or(status.dlq_length);
    }

    /// Notes how far was read: whether to the end, the newest change, and the oldest that is not settled.
    pub(crate) fn set_progress(
        &self,
        reached_end: Option<bool>,
        last_read: Option<WallTime>,
        oldest_open: Option<WallTime>,
    ) {
        let mut inner = self.inner();
        inner.reached_end = reached_end.unwrap_or(inner.reached_end);
        inner.last_read = last_read.or(inner.last_read);
        inner.oldest_open = oldest_open;
    }

    /// Notes the committed position, the change that waits longest, and the generation where it is known anew.
    pub(crate) fn set_position(
        &self,
        position: &Position,
        waiting: Option<WallTime>,
        generation: Option<u64>,
    ) {
        let status = &mut self.inner().status;
        status.position_time = Some(position.time().wall_time());
        let seconds = waiting.map(|at| at.as_millis() / 1000 - CLOCK_TOLERANCE_SECONDS);
        let waiting = seconds.map(|at| ClusterTime::new(u32::try_from(at).unwrap_or(0), 0));
        status.low_water_mark = Some(waiting.map_or(position.time(), |at| at.min(position.time())));
        status.generation = generation.unwrap_or(status.generation);
    }

    /// Changes one phase to another.
    pub(crate) fn leave_phase(&self, from: SubscriptionPhase, to: SubscriptionPhase, now: WallTime) {
        if self.inner().status.phase == from {
            self.set_phase(to, None, now);
        }
    }

    /// Returns how many dead letters there are.
    pub(crate) fn letters(&self) -> u64 {
        self.inner().status.dlq_length
    }

    /// Notes that dead letters left their queue.
    pub(crate) fn letters_left(&self, count: u64) {
        let status = &mut self.inner().status;
        status.dlq_length = status.dlq_length.saturating_sub(count);
    }

    /// Notes that dead letters came that are not counted as given up.
    pub(crate) fn letters_came(&self, count: u64) {
        self.inner().status.dlq_length += count;
    }

    /// Notes whether the collection may have more dead letters.
    pub(crate) fn set_full(&self, is_full: bool) {
        self.inner().is_full = is_full;
    }

    /// Notes that the store lost the state, which is said until the process ends.
    pub(crate) fn set_lost(&self) {
        self.inner().is_lost = true;
    }

    /// Notes that the stream is not read for now, so its end is not known.
    pub(crate) fn detached(&self) {
        self.inner().reached_end = false;
    }

    /// Forgets what was known of the stream: it is being opened anew.
    pub(crate) fn reopened(&self) {
        let mut inner = self.inner();
        inner.reached_end = false;
        inner.last_read = None;
    }

    /// Shows the watchdog what the subscription waits for from now on; nothing, once its task ends.
    pub(crate) fn set_vitals(&self, vitals: Option<Arc<Vitals>>) {
        self.inner().vitals = vitals;
    }

    /// Notes whether it is stuck, and tells if that is new. One that is held, paused, halted or not begun yet is not: its
    /// phase says why nothing moves.
    pub(crate) fn watch(&self, now: Instant, awake_since: Instant) -> Option<Change> {
        let mut inner = self.inner();
        let is_working = matches!(
            inner.status.phase,
            SubscriptionPhase::Streaming | SubscriptionPhase::CatchingUp
        );
        let vitals = inner.vitals.as_ref().filter(|_| is_working && !inner.is_full);
        let stuck = vitals.and_then(|vitals| vitals.stuck(now, awake_since));
        let before = std::mem::replace(&mut inner.stuck, stuck);
        match (before, stuck) {
            (before, Some(waits_for)) if before != stuck => Some(Change::Stuck(waits_for)),
            (Some(_), None) => Some(Change::Moves),
            _ => None,
        }
    }

    pub(crate) fn snapshot(&self, now: WallTime) -> SubscriptionStatus {
        let mut inner = self.inner();
        inner.roll_window(now);
        let mut status = inner.status.clone();
        status.lag_seconds = match (inner.oldest_open, inner.reached_end) {
            (Some(oldest), _) => Some(now.since(oldest).as_secs_f64()),
            (None, true) => Some(0.0),
            (None, false) => inner.last_read.map(|last| now.since(last).as_secs_f64()),
        };
        status.stuck = inner.stuck.map(str::to_owned);
        if inner.is_full {
            status.phase = SubscriptionPhase::Halted;
            status.reason = Some("dead_letters_full".to_owned());
        }
        if inner.is_lost && status.reason.is_none() {
            status.reason = Some("state_lost".to_owned());
        }
        status
    }
}

impl Inner {
    fn roll_window(&mut self, now: WallTime) {
        let elapsed = now.as_millis() - self.window_start.as_millis();
        if elapsed >= RATE_WINDOW_MS {
            // Counts of one process in one window are far below 2^52.
            #[allow(clippy::cast_precision_loss)]
            let (count, elapsed) = (self.window_count as f64, elapsed as f64);
            let kept = (-elapsed / RATE_MEMORY_MS).exp();
            let rate = self.status.rate * kept + count * 1000.0 / elapsed * (1.0 - kept);
            // What fades is nothing in the end.
            self.status.rate = if rate < 0.01 { 0.0 } else { rate };
            self.window_start = now;
            self.window_count = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::vitals::Awaited;
    use super::*;
    use crate::delivery::{Gate, LeaseGuard};
    use crate::value::CollectionName;

    #[test]
    fn lag_is_absent_until_known_then_the_age_of_the_oldest_open_change() {
        let id = SubscriptionId {
            collection: CollectionName::new("c").unwrap(),
            destination: DestinationId::new("d").unwrap(),
        };
        let at = WallTime::from_millis;
        let cell = StatusCell::new(&id, at(0));
        assert_eq!(cell.snapshot(at(1)).lag_seconds, None);
        cell.set_progress(Some(false), Some(at(4_000)), None);
        assert_eq!(cell.snapshot(at(10_000)).lag_seconds, Some(6.0));
        cell.set_progress(Some(true), None, Some(at(7_000)));
        assert_eq!(cell.snapshot(at(10_000)).lag_seconds, Some(3.0));
        cell.set_progress(Some(true), None, None);
        assert_eq!(cell.snapshot(at(10_000)).lag_seconds, Some(0.0));
    }

    #[tokio::test(start_paused = true)]
    async fn that_it_is_stuck_is_told_once_and_that_it_moves_again_too() {
        let id = SubscriptionId {
            collection: CollectionName::new("c").unwrap(),
            destination: DestinationId::new("d").unwrap(),
        };
        let start = Instant::now();
        let cell = StatusCell::new(&id, WallTime::default());
        let lease = LeaseGuard::new(start + Duration::from_secs(1000));
        let gate = Arc::new(Gate::new(lease));
        let vitals = Vitals::new(gate, Duration::from_secs(60), Duration::ZERO);
        cell.set_vitals(Some(Arc::clone(&vitals)));
        vitals.wait_for(|awaited| awaited == Awaited::Change);
        let look = |seconds| cell.watch(start + Duration::from_secs(seconds), start);
        assert_eq!(look(100), None, "it has not begun yet");
        cell.set_phase(SubscriptionPhase::Streaming, None, WallTime::default());
        assert!(matches!(look(105), Some(Change::Stuck(_))));
        assert_eq!(look(110), None);
        assert!(cell.snapshot(WallTime::default()).stuck.is_some());
        vitals.came(Awaited::Change);
        assert_eq!(look(115), Some(Change::Moves));
        assert_eq!(look(120), None);
        assert!(cell.snapshot(WallTime::default()).stuck.is_none());
    }

    #[test]
    fn the_rate_follows_what_is_delivered_and_fades() {
        let id = SubscriptionId {
            collection: CollectionName::new("c").unwrap(),
            destination: DestinationId::new("d").unwrap(),
        };
        let at = WallTime::from_millis;
        let cell = StatusCell::new(&id, at(0));
        for millis in 0..20_000 {
            cell.count(SettledAs::Delivered, None, at(millis));
        }
        let rate = cell.snapshot(at(20_000)).rate;
        assert!((900.0..=1100.0).contains(&rate), "{rate}");
        for second in 21..60 {
            cell.snapshot(at(second * 1000));
        }
        assert!(cell.snapshot(at(60_000)).rate < 0.01);
    }
}
