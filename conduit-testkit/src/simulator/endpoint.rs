//! A destination of a simulated world: decides what it answers. What it decides about a record depends on the seed, the
//! record, and how often it came; not on what else goes on at the same moment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use conduit_core::{SinkError, SinkErrorKind};
use fastrand::Rng;

use super::clock::WorldClock;
use super::event::Outage;
use super::happening::Cause;
use super::plan::SinkFaults;

/// What a destination does with a record.
#[derive(Debug)]
pub(super) enum Treatment {
    /// Takes it.
    Take,
    /// Refuses it.
    Fail(SinkError, Cause),
    /// Takes it; the answer to the whole call is lost.
    TakeAndLoseAnswer(SinkErrorKind),
    /// Does not answer the whole call, after it took the record or not.
    Hang { takes: bool, cause: Cause },
}

/// A destination as a whole; all lives and all workers share it.
#[derive(Debug)]
pub(super) struct Endpoint {
    number: usize,
    seed: u64,
    faults: SinkFaults,
    clock: Arc<WorldClock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    arrivals: HashMap<usize, u64>,
    outage: Option<(Outage, Duration)>,
    is_calm: bool,
}

impl Endpoint {
    pub(super) fn new(number: usize, seed: u64, faults: SinkFaults, clock: Arc<WorldClock>) -> Arc<Self> {
        Arc::new(Self {
            number,
            seed,
            faults,
            clock,
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn faults(&self) -> SinkFaults {
        self.faults
    }

    /// Fails as a whole from now on, for so long.
    pub(super) fn fail_for(&self, outage: Outage, lasts: Duration) {
        self.state().outage = Some((outage, self.clock.elapsed() + lasts));
    }

    /// Ends everything but what is poison.
    pub(super) fn calm(&self) {
        self.state().is_calm = true;
    }

    fn rng(&self, record: usize, arrival: u64) -> Rng {
        let mut rng = Rng::with_seed(self.seed ^ (record as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        Rng::with_seed(rng.u64(..) ^ arrival.wrapping_mul(0xBF58_476D_1CE4_E5B9) ^ (self.number as u64) << 32)
    }

    /// Whether a record can never be delivered here, and how it fails then.
    fn poison(&self, record: usize) -> Option<SinkErrorKind> {
        let mut rng = self.rng(record, u64::MAX);
        if rng.u32(0..1000) >= self.faults.poison {
            return None;
        }
        Some(if rng.u32(0..4) == 0 {
            SinkErrorKind::Undeliverable
        } else {
            SinkErrorKind::Rejected
        })
    }

    /// Decides about a record that arrives, and how long that takes.
    pub(super) fn treat(&self, record: usize) -> (Treatment, Duration) {
        let mut state = self.state();
        let arrival = state.arrivals.entry(record).or_insert(0);
        *arrival += 1;
        let mut rng = self.rng(record, *arrival);
        let latency = Duration::from_millis(rng.u64(0..=self.faults.max_latency_ms));
        if let Some(kind) = self.poison(record) {
            return (fail(kind, Cause::Poison), latency);
        }
        if state.is_calm {
            return (Treatment::Take, latency);
        }
        let outage = state.outage.filter(|(_, until)| self.clock.elapsed() < *until);
        match outage {
            Some((Outage::Refuses, _)) => {
                return (fail(SinkErrorKind::Unavailable, Cause::Outage), latency);
            }
            Some((Outage::Hangs, _)) => {
                return (
                    Treatment::Hang {
                        takes: false,
                        cause: Cause::Outage,
                    },
                    latency,
                );
            }
            Some((Outage::BrownOut(percent), _)) if rng.u32(0..100) < percent => {
                return (fail(SinkErrorKind::Unavailable, Cause::Outage), latency);
            }
            _ => {}
        }
        (self.by_chance(&mut rng), latency)
    }

    fn by_chance(&self, rng: &mut Rng) -> Treatment {
        let faults = self.faults;
        let mut roll = rng.u32(0..1000);
        let mut hits = |rate: u32| {
            let hit = roll < rate;
            roll = roll.wrapping_sub(rate);
            hit
        };
        if hits(faults.rejects) {
            fail(SinkErrorKind::Rejected, Cause::Chance)
        } else if hits(faults.unavailable) {
            fail(SinkErrorKind::Unavailable, Cause::Chance)
        } else if hits(faults.throttles) {
            let retry_after = rng.bool().then(|| Duration::from_millis(rng.u64(100..=4_000)));
            fail(SinkErrorKind::Throttled { retry_after }, Cause::Chance)
        } else if hits(faults.loses_answer) {
            Treatment::TakeAndLoseAnswer(if rng.bool() {
                SinkErrorKind::Timeout
            } else {
                SinkErrorKind::Unavailable
            })
        } else if hits(faults.hangs) {
            Treatment::Hang {
                takes: rng.bool(),
                cause: Cause::Chance,
            }
        } else {
            Treatment::Take
        }
    }
}

fn fail(kind: SinkErrorKind, cause: Cause) -> Treatment {
    Treatment::Fail(SinkError::new(kind, format!("simulated: {cause:?}")), cause)
}
