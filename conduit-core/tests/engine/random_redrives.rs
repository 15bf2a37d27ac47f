//! Redrives at random moments.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use conduit_core::{
    CollectionSpec, Handle, LetterSelection, RecordType, Settings, SinkError, SinkLimits, StateStore,
};
use conduit_state::MemoryStore;
use conduit_testkit::{Answer, RecordingSink};
use tokio::time::Instant;

use crate::harness::{World, c, collection, is_through, key_of, subscription, value_of};
use crate::random_runs::{Accepted, KEYS, moody_sink, seeds, try_all};

/// In this mode nothing fails.
const WELL: u64 = 0;

/// What happened when, for the case that an order is wrong. Clones share it.
#[derive(Clone)]
struct Trace {
    began: Instant,
    entries: Arc<Mutex<Vec<(Duration, String)>>>,
}

impl Trace {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            entries: Arc::default(),
        }
    }

    fn note(&self, what: impl Into<String>) {
        let entry = (self.began.elapsed(), what.into());
        self.entries.lock().unwrap().push(entry);
    }

    /// Prints all that happened, with what arrived of one document.
    fn print(&self, sink: &RecordingSink, key: &str) {
        let mut all = self.entries.lock().unwrap().clone();
        for arrived in sink.arrived() {
            if key_of(&arrived.record) == key {
                let what = format!("arrived v{} {}", value_of(&arrived.record), arrived.accepted);
                all.push((arrived.at, what));
            }
        }
        all.sort();
        for (at, what) in all {
            println!("TRACE {at:?} {what}");
        }
    }
}

/// How the sink answers in a mode, for a roll from 0 to 99.
fn answer(mode: u64, roll: u32, is_single: bool) -> Answer {
    match mode {
        1 => Answer::Fail(SinkError::unavailable("503")),
        2 if roll < 30 => Answer::Fail(SinkError::rejected("422")),
        3 if roll < 20 => Answer::Fail(SinkError::undeliverable("413")),
        4 if roll < 50 => Answer::Fail(SinkError::throttled(
            "429",
            Some(Duration::from_secs(u64::from(roll))),
        )),
        5 | 6 if is_single => Answer::Slow(Duration::from_millis(u64::from(roll % 12) * 300)),
        _ => Answer::Accept,
    }
}

async fn redrive(handle: Handle, store: MemoryStore, selection: LetterSelection, trace: Trace) {
    let letters = store.dead_letters(&c(), None, 1000).await.unwrap();
    let letters: Vec<String> = letters
        .iter()
        .map(|letter| serde_json::from_str::<serde_json::Value>(letter).unwrap())
        .map(|letter| {
            let image = &letter["record"]["newImage"];
            format!(
                "#{} {} v{} {}",
                letter["id"], image["_id"], image["value"], letter["stale"]
            )
        })
        .collect();
    trace.note(format!("redrive of {letters:?}"));
    let answer = handle.redrive(&c(), selection, false).await;
    trace.note(format!("redriven {answer:?}"));
}

/// Every record is delivered or a dead letter, and a letter is stale exactly if a newer record of its document got through.
fn check_letters(
    letters: &[serde_json::Value],
    accepted: &Accepted,
    total: u64,
    is_single: bool,
) -> Result<(), String> {
    let mut all = accepted.event_ids.clone();
    for letter in letters {
        let record = &letter["record"];
        let id = record["eventID"].as_str().unwrap().to_owned();
        let value = record["newImage"]["value"].as_u64().unwrap();
        let key = record["newImage"]["_id"].as_str().unwrap();
        let of_key = accepted.values.get(key);
        let newer = of_key.is_some_and(|values| values.iter().any(|other| *other > value));
        if letter["stale"].as_bool().unwrap() != newer {
            return Err(format!(
                "letter {id} of {key} value {value} stale {} but newer acknowledged {newer}",
                letter["stale"]
            ));
        }
        if accepted.event_ids.contains(&id) && is_single {
            return Err(format!("{id} delivered and a letter"));
        }
        if !all.insert(id.clone()) && is_single {
            return Err(format!("{id} twice"));
        }
    }
    if all.len() as u64 == total {
        Ok(())
    } else {
        Err(format!("{} of {total}", all.len()))
    }
}

/// An older record never comes after a newer one of its document, and nothing comes twice or is lost.
async fn run(seed: u64) -> Result<(), String> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let world = World::new();
    let mode = Arc::new(AtomicU64::new(WELL));
    let limits = SinkLimits {
        concurrency: [1, 2, 4, 8, 64][rng.usize(0..5)],
        max_records: [1, 1, 10][rng.usize(0..3)],
        ..SinkLimits::default()
    };
    let is_single = limits.max_records == 1;
    let sink = moody_sink(seed, &mode, limits, move |mode, roll| {
        answer(mode, roll, is_single)
    });
    let settings = || Settings {
        seed: Some(seed),
        ..Settings::default()
    };
    let max_retries = rng.u32(0..3);
    let spec = |revision: u64| -> Vec<CollectionSpec> {
        let subscription = subscription("d", sink.clone(), max_retries).with_revision(revision);
        vec![collection("c", vec![subscription])]
    };
    let mut revision = 0;
    let mut counters = vec![0u64; KEYS];
    let mut running = world.start_with(settings(), spec(0));
    let trace = Trace::new();
    for _ in 0..rng.usize(20..100) {
        match rng.u32(0..100) {
            0..35 => {
                for _ in 0..rng.usize(1..15) {
                    let key = rng.usize(0..6);
                    world
                        .watcher
                        .change("c", &format!("k{key}"), RecordType::Modify, counters[key]);
                    counters[key] += 1;
                }
            }
            35..60 => mode.store([0, 0, 1, 2, 2, 3, 4, 5, 6][rng.usize(0..9)], Ordering::SeqCst),
            60..90 => {
                let ids = rng
                    .bool()
                    .then(|| (0..rng.u64(1..60)).map(|_| rng.u64(1..200)).collect());
                let selection = LetterSelection {
                    ids,
                    ..LetterSelection::default()
                };
                let (handle, store) = (running.handle.clone(), world.store.clone());
                tokio::spawn(redrive(handle, store, selection, trace.clone()));
            }
            90..95 => {
                revision += 1;
                trace.note("new revision");
                running.handle.set_collections(spec(revision)).unwrap();
            }
            _ => {
                trace.note("restart");
                running.stop().await;
                running = world.start_with(settings(), spec(revision));
            }
        }
        let millis = [0, 0, 1, 20, 60, 500, 3000, 20_000][rng.usize(0..8)];
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
    mode.store(WELL, Ordering::SeqCst);
    let mut is_complete = false;
    for _ in 0..3600 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if running.status("d").as_ref().is_some_and(is_through) {
            is_complete = true;
            break;
        }
    }
    let status = running.status("d").unwrap();
    running.stop().await;
    let letters = world.dead_letters().await;
    let accepted = Accepted::by(&sink);
    let say = |what: String| Err(format!("{limits:?} retries {max_retries}: {what}; {status:?}"));
    if !is_complete {
        return say("not complete".to_owned());
    }
    if status.dlq_length != letters.len() as u64 {
        return say(format!("dlq {} but {}", status.dlq_length, letters.len()));
    }
    if accepted.repeats > 0 && is_single {
        return say("a repeat".to_owned());
    }
    if let Some((key, values)) = accepted.out_of_order().filter(|_| is_single) {
        trace.print(&sink, key);
        return say(format!("{key} out of order {values:?}"));
    }
    check_letters(&letters, &accepted, counters.iter().sum(), is_single).or_else(say)
}

/// `SEED` and `COUNT` choose other seeds.
#[tokio::test(start_paused = true)]
async fn redrives_at_random_moments_send_nothing_twice_and_nothing_behind_a_newer_record() {
    try_all(seeds(), run).await;
}
