//! Makes up what happens when.

use std::time::Duration;

use conduit_core::RecordType;
use fastrand::Rng;

use super::event::{Change, Event, Outage};
use super::plan::{ENGINE_HOLDS, Plan, one_of};

/// The longest outage that a record with five retries after 1, 2, 4, 8 and 16 seconds outlasts for sure.
const BEARABLE: Duration = Duration::from_secs(10);

/// Makes up the events of a plan, in order.
pub(super) fn events(plan: &Plan, writes: usize, keys: usize, rng: &mut Rng) -> Vec<(Duration, Event)> {
    let mut events = Vec::new();
    write_documents(plan, writes, keys, rng, &mut events);
    for worker in 0..plan.workers {
        disturb_worker(worker, plan, rng, &mut events);
    }
    disturb_store(plan, rng, &mut events);
    for destination in 0..plan.destinations.len() {
        disturb_destination(destination, plan, rng, &mut events);
    }
    for collection in 0..plan.collections {
        if rng.u32(0..8) == 0 {
            let at = moment(plan.calm, rng);
            events.push((at, Event::Suspend(collection)));
            events.push((at + millis(1..=8_000, rng), Event::Resume(collection)));
        }
    }
    for _ in 0..rng.usize(0..=2) {
        events.push((moment(plan.calm, rng), Event::StreamsFail));
    }
    events.retain(|(at, _)| *at < plan.calm);
    events.push((plan.calm, Event::Calm));
    events.sort_by_key(|(at, _)| *at);
    events
}

fn moment(before: Duration, rng: &mut Rng) -> Duration {
    let millis = u64::try_from(before.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(rng.u64(0..millis.max(1)))
}

fn millis(range: std::ops::RangeInclusive<u64>, rng: &mut Rng) -> Duration {
    Duration::from_millis(rng.u64(range))
}

/// Bursts of writes: some to a run of one key, some all over.
fn write_documents(
    plan: &Plan,
    writes: usize,
    keys: usize,
    rng: &mut Rng,
    events: &mut Vec<(Duration, Event)>,
) {
    let mut left = writes;
    while left > 0 {
        let burst = rng.usize(1..=25).min(left);
        left -= burst;
        let mut at = moment(plan.calm, rng);
        let gap = one_of(&[0, 3, 30, 300], rng);
        let collection = rng.usize(0..plan.collections);
        let hot = rng.bool().then(|| rng.usize(0..keys));
        let mut done = 0;
        while done < burst {
            let in_one = if rng.u32(0..10) == 0 { rng.usize(2..=4) } else { 1 };
            let changes: Vec<Change> = (0..in_one).map(|_| change(collection, keys, hot, rng)).collect();
            done += in_one;
            events.push((at, Event::Write(changes)));
            at += millis(0..=gap, rng);
        }
    }
}

fn change(collection: usize, keys: usize, hot: Option<usize>, rng: &mut Rng) -> Change {
    let any = rng.usize(0..keys);
    let key = hot.filter(|_| rng.u32(0..4) != 0).unwrap_or(any);
    if keys > 1 && rng.u32(0..16) == 0 {
        let to = (key + rng.usize(1..keys)) % keys;
        return Change::OfKey {
            collection,
            from: key,
            to,
        };
    }
    let kinds = [
        RecordType::Insert,
        RecordType::Modify,
        RecordType::Modify,
        RecordType::Remove,
    ];
    Change::Of {
        collection,
        key,
        record_type: one_of(&kinds, rng),
    }
}

/// Starts a worker, and kills, stops and freezes it now and then.
fn disturb_worker(worker: usize, plan: &Plan, rng: &mut Rng, events: &mut Vec<(Duration, Event)>) {
    let mut at = if worker == 0 {
        Duration::ZERO
    } else {
        millis(0..=4_000, rng)
    };
    events.push((at, Event::Start(worker)));
    let is_calm = rng.u32(0..4) == 0;
    while !is_calm && at < plan.calm {
        at += millis(200..=9_000, rng);
        match rng.u32(0..5) {
            0 | 1 => {
                events.push((at, Event::Kill(worker)));
                at += millis(0..=6_000, rng);
                events.push((at, Event::Start(worker)));
            }
            2 => {
                events.push((at, Event::Stop(worker)));
                at += millis(0..=12_000, rng);
                events.push((at, Event::Start(worker)));
            }
            3 => {
                events.push((at, Event::Freeze(worker)));
                let lease = u64::try_from(plan.settings.lease_time.as_millis()).unwrap_or(u64::MAX);
                at += millis(100..=2 * lease + 3_000, rng);
                events.push((at, Event::Thaw(worker)));
            }
            _ => {
                let lasts = millis(100..=15_000, rng);
                let worker = Some(worker);
                events.push((at, Event::StoreAway { worker, lasts }));
                at += lasts;
            }
        }
    }
}

fn disturb_store(plan: &Plan, rng: &mut Rng, events: &mut Vec<(Duration, Event)>) {
    if rng.u32(0..3) == 0 {
        let lasts = millis(50..=12_000, rng);
        events.push((moment(plan.calm, rng), Event::StoreAway { worker: None, lasts }));
    }
    if rng.u32(0..4) == 0 {
        for _ in 0..rng.usize(2..=6) {
            events.push((moment(plan.calm, rng), Event::KeepImage));
        }
        for _ in 0..rng.usize(1..=2) {
            let back = rng.usize(0..=2);
            events.push((moment(plan.calm, rng), Event::Restore { back }));
        }
    }
}

fn disturb_destination(destination: usize, plan: &Plan, rng: &mut Rng, events: &mut Vec<(Duration, Event)>) {
    if rng.u32(0..3) == 0 {
        let outages = [Outage::Refuses, Outage::Hangs, Outage::BrownOut(rng.u32(50..=95))];
        let longest = if ENGINE_HOLDS { plan.calm } else { BEARABLE };
        let longest = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        let event = Event::EndpointAway {
            destination,
            outage: one_of(&outages, rng),
            lasts: millis(100..=longest, rng),
        };
        events.push((moment(plan.calm, rng), event));
    }
    if rng.u32(0..4) == 0 {
        let max_retries = one_of(&[0, 1, 5, 6], rng);
        let event = Event::SetRetries {
            destination,
            max_retries,
        };
        events.push((moment(plan.calm, rng), event));
    }
    if rng.u32(0..4) == 0 {
        let concurrency = one_of(&[1, 3, 5, 12], rng);
        let event = Event::SetConcurrency {
            destination,
            concurrency,
        };
        events.push((moment(plan.calm, rng), event));
    }
    if rng.u32(0..8) == 0 {
        let at = moment(plan.calm, rng);
        events.push((at, Event::Remove(destination)));
        events.push((at + millis(0..=9_000, rng), Event::Add(destination)));
    }
}
