//! All that a seed decides before a simulation begins.

use std::time::Duration;

use conduit_core::{RecordType, RetryPolicy, SameKey, Settings, SinkLimits};
use fastrand::Rng;

use super::event::Event;
use super::schedule;

/// Whether the engine holds a destination that fails as a whole. Until it does, no outage outlasts a record's retries.
pub(super) const ENGINE_HOLDS: bool = true;

/// How far the clocks of two workers may be apart, and the longest step of a simulation.
pub(super) const MAX_STEP: Duration = Duration::from_millis(200);

/// A destination, how it behaves, and how it is configured.
#[derive(Clone, Debug)]
pub(super) struct DestinationPlan {
    pub(super) collection: usize,
    pub(super) limits: SinkLimits,
    pub(super) retry: RetryPolicy,
    /// Wants inserts and removals only.
    pub(super) is_choosy: bool,
    pub(super) faults: SinkFaults,
}

/// How often a destination does what, in a thousandth.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SinkFaults {
    pub(super) rejects: u32,
    pub(super) unavailable: u32,
    pub(super) throttles: u32,
    pub(super) loses_answer: u32,
    pub(super) hangs: u32,
    pub(super) poison: u32,
    /// Whether, in a call that keeps order, it takes a record after an older one of its key failed.
    pub(super) goes_on_after_failure: bool,
    /// Whether it takes or refuses a call as a whole.
    pub(super) answers_as_one: bool,
    pub(super) max_latency_ms: u64,
}

/// How often a call of the store, or of the source, does what, in a thousandth.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LinkFaults {
    pub(super) fails_before: u32,
    pub(super) loses_answer: u32,
    pub(super) slow: u32,
    pub(super) max_latency_ms: u64,
}

/// Everything that a seed decides.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) settings: Settings,
    pub(super) collections: usize,
    pub(super) destinations: Vec<DestinationPlan>,
    pub(super) workers: usize,
    pub(super) store: LinkFaults,
    pub(super) source: LinkFaults,
    pub(super) max_step: Duration,
    /// What happens when, in order.
    pub(super) events: Vec<(Duration, Event)>,
    /// When all trouble ends.
    pub(super) calm: Duration,
}

impl Plan {
    /// Makes the plan of a seed.
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let collections = one_of(&[1, 1, 2, 2, 3, 4], &mut rng);
        let is_tight = rng.u32(0..10) < 2;
        let count = collections.max(rng.usize(1..=4));
        let destinations = (0..count)
            .map(|index| {
                let collection = if index < collections {
                    index
                } else {
                    rng.usize(0..collections)
                };
                destination(collection, &mut rng)
            })
            .collect();
        let mut plan = Self {
            seed,
            settings: settings(seed, is_tight, &mut rng),
            collections,
            destinations,
            workers: rng.usize(1..=2),
            store: link(&mut rng, 60),
            source: link(&mut rng, 40),
            max_step: Duration::from_millis(rng.u64(20..=200)).min(MAX_STEP),
            events: Vec::new(),
            calm: Duration::from_secs(rng.u64(8..=35)),
        };
        let writes = if is_tight {
            rng.usize(100..=250)
        } else {
            rng.usize(5..=70)
        };
        let keys = if rng.u32(0..8) == 0 {
            rng.usize(20..=60)
        } else {
            rng.usize(1..=7)
        };
        plan.events = schedule::events(&plan, writes, keys, &mut rng);
        plan
    }
}

fn settings(seed: u64, is_tight: bool, rng: &mut Rng) -> Settings {
    let mut settings = Settings {
        lease_time: Duration::from_secs(one_of(&[3, 10], rng)),
        shutdown_timeout: Duration::from_secs(one_of(&[1, 5, 30], rng)),
        commit_interval: Duration::from_millis(one_of(&[10, 50, 50, 300], rng)),
        seed: Some(seed),
        max_read_records: rng.usize(1..=60),
        ..Settings::default()
    };
    if is_tight {
        settings.max_read_records = rng.usize(2..=8);
        settings.max_in_flight_records = rng.usize(4..=16);
        settings.max_ahead = rng.usize(8..=24);
        settings.max_waiting_records = rng.usize(4..=16);
        settings.max_in_flight_bytes = one_of(&[2_000, 16 * 1024 * 1024], rng);
        settings.max_waiting_bytes = one_of(&[3_000, 256 * 1024 * 1024], rng);
    }
    settings
}

fn destination(collection: usize, rng: &mut Rng) -> DestinationPlan {
    let same_key = one_of(&[SameKey::OncePerCall, SameKey::InOrder], rng);
    let limits = SinkLimits {
        max_records: one_of(&[1, 1, 3, 10], rng),
        max_bytes: one_of(&[600, 1 << 20], rng),
        concurrency: one_of(&[1, 2, 4, 8, 16], rng),
        same_key,
        linger: Duration::ZERO,
        timeout: Duration::from_millis(one_of(&[800, 2_500, 6_000], rng)),
    };
    let retry = RetryPolicy {
        max_retries: one_of(&[0, 1, 3, 5, 5, 5], rng),
        first_delay: Duration::from_millis(one_of(&[100, 1_000, 1_000], rng)),
        max_delay: Duration::from_millis(one_of(&[3_000, 300_000], rng)),
    };
    let faulty = rng.u32(0..4) != 0;
    let mut often = |most: u32| {
        let rate = rng.u32(0..=most);
        if faulty && rng.bool() { rate } else { 0 }
    };
    let faults = SinkFaults {
        rejects: often(250),
        unavailable: often(150),
        throttles: often(100),
        loses_answer: often(150),
        hangs: often(80),
        poison: often(100),
        goes_on_after_failure: rng.bool(),
        // Of a copy, so that what else a seed means stays.
        answers_as_one: rng.clone().u32(0..3) == 0,
        max_latency_ms: one_of(&[0, 20, 200, 700], rng),
    };
    DestinationPlan {
        collection,
        limits,
        retry,
        is_choosy: rng.u32(0..6) == 0,
        faults,
    }
}

fn link(rng: &mut Rng, most: u32) -> LinkFaults {
    if rng.u32(0..3) == 0 {
        return LinkFaults {
            max_latency_ms: one_of(&[0, 5, 40], rng),
            ..LinkFaults::default()
        };
    }
    LinkFaults {
        fails_before: rng.u32(0..=most),
        loses_answer: rng.u32(0..=most),
        slow: rng.u32(0..=most / 2),
        max_latency_ms: one_of(&[0, 5, 40, 150], rng),
    }
}

/// Picks one.
pub(super) fn one_of<T: Copy>(choices: &[T], rng: &mut Rng) -> T {
    choices[rng.usize(0..choices.len())]
}

/// Whether a destination wants a record of this type.
pub(super) fn wants(is_choosy: bool, record_type: RecordType) -> bool {
    !is_choosy || record_type != RecordType::Modify
}
