//! What the tests share that make up runs of the engine by seeds.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Debug;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use conduit_core::SinkLimits;
use conduit_testkit::{Answer, RecordingSink};

use crate::harness::{key_of, value_of};

/// How many documents a run has, at most.
pub(crate) const KEYS: usize = 60;

/// The seeds to try: ten from zero on, or `COUNT` from `SEED` on.
pub(crate) fn seeds() -> Range<u64> {
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let first = number("SEED", 0);
    first..first + number("COUNT", 10)
}

/// Runs all cases, says which are bad and why, and fails if any is.
pub(crate) async fn try_all<Case: Copy + Debug>(
    cases: impl IntoIterator<Item = Case>,
    run: impl AsyncFn(Case) -> Result<(), String>,
) {
    let mut bad = 0;
    for case in cases {
        let why = match tokio::time::timeout(Duration::from_secs(40_000), run(case)).await {
            Ok(Ok(())) => continue,
            Ok(Err(why)) => why.chars().take(900).collect(),
            Err(_) => "stuck".to_owned(),
        };
        bad += 1;
        println!("BAD {case:?}: {why}");
    }
    assert_eq!(bad, 0);
}

/// A sink that answers as the mode of the moment and a roll from 0 to 99 have it.
pub(crate) fn moody_sink(
    seed: u64,
    mode: &Arc<AtomicU64>,
    limits: SinkLimits,
    answer: impl Fn(u64, u32) -> Answer + Send + Sync + 'static,
) -> RecordingSink {
    let rng = Mutex::new(fastrand::Rng::with_seed(seed ^ 77));
    let mode = mode.clone();
    RecordingSink::with_limits(limits, move |_, _| {
        let roll = rng.lock().unwrap().u32(0..100);
        answer(mode.load(Ordering::SeqCst), roll)
    })
}

/// What a sink accepted.
#[derive(Default)]
pub(crate) struct Accepted {
    pub(crate) event_ids: HashSet<String>,
    /// The values of each document in the order of their first deliveries.
    pub(crate) values: BTreeMap<String, Vec<u64>>,
    /// How many deliveries were no first ones.
    pub(crate) repeats: usize,
}

impl Accepted {
    pub(crate) fn by(sink: &RecordingSink) -> Self {
        let mut accepted = Self::default();
        for arrived in sink.arrived().into_iter().filter(|arrived| arrived.accepted) {
            let record = arrived.record;
            if accepted.event_ids.insert(record.event_id().to_string()) {
                let values = accepted.values.entry(key_of(&record)).or_default();
                values.push(value_of(&record));
            } else {
                accepted.repeats += 1;
            }
        }
        accepted
    }

    /// Says which document's first deliveries are not in the order of its changes.
    pub(crate) fn out_of_order(&self) -> Option<(&String, &Vec<u64>)> {
        self.values.iter().find(|(_, values)| !values.is_sorted())
    }
}
