//! What a batch holds, when it comes, and what becomes of one that is dropped.

use std::time::Duration;

use conduit_core::BatchLimits;
use tokio::time::Instant;

use super::super::reading::LIMITS;
use super::super::{Change, Scene, WatcherHarness};

/// How much longer than its limits say a call may take on a slow machine.
const SLACK: Duration = Duration::from_secs(3);

/// A wait that is not to be waited for.
const LONG: Duration = Duration::from_secs(6);

pub async fn a_batch_has_no_more_records_than_its_limit<H: WatcherHarness>(scene: &Scene<H>) {
    scene.insert_some(20).await;
    for max_records in [1, 3, 7] {
        let limits = BatchLimits {
            max_records,
            ..LIMITS
        };
        let mut reading = scene.open_orders(scene.start()).await;
        let batches = reading.read_until_within("20", limits).await;
        for batch in batches {
            assert!(
                batch.records.len() <= max_records,
                "{} records where {max_records} are allowed",
                batch.records.len()
            );
        }
        assert_eq!(reading.records.len(), 20);
    }
}

pub async fn a_batch_has_no_more_bytes_than_its_limit_but_for_one_larger_record<H: WatcherHarness>(
    scene: &Scene<H>,
) {
    for n in 1..=12 {
        let pad = if n % 4 == 0 { 5000 } else { 500 };
        scene.insert_into("orders", &n.to_string(), n, pad).await;
    }
    let max_bytes = 2500;
    let limits = BatchLimits { max_bytes, ..LIMITS };
    let mut reading = scene.open_orders(scene.start()).await;
    let batches = reading.read_until_within("12", limits).await;
    for batch in batches {
        let bytes: usize = batch.records.iter().map(|record| record.size()).sum();
        assert!(
            bytes <= max_bytes || batch.records.len() == 1,
            "{} records of {bytes} bytes where {max_bytes} are allowed",
            batch.records.len()
        );
    }
    assert_eq!(reading.records.len(), 12);
}

pub async fn a_batch_comes_when_its_time_is_over_though_nothing_changes<H: WatcherHarness>(scene: &Scene<H>) {
    let mut reading = scene.open_orders(scene.start()).await;
    for wait in [1, 50, 200].map(Duration::from_millis) {
        let limits = BatchLimits {
            max_wait: wait,
            ..LIMITS
        };
        let asked = Instant::now();
        let batch = reading.batch(limits).await;
        assert!(asked.elapsed() < wait + SLACK, "it took {:?}", asked.elapsed());
        assert_eq!(batch.records.len(), 0);
    }
}

pub async fn a_batch_comes_as_soon_as_something_changes<H: WatcherHarness>(scene: &Scene<H>) {
    let limits = BatchLimits {
        max_wait: LONG,
        ..LIMITS
    };
    let mut reading = scene.open_orders(scene.start()).await;
    let asked = Instant::now();
    tokio::join!(reading.read_until_within("1", limits), scene.insert("1"));
    assert!(asked.elapsed() < LONG / 2, "it took {:?}", asked.elapsed());
}

pub async fn a_batch_says_whether_there_is_more<H: WatcherHarness>(scene: &Scene<H>) {
    scene.insert_some(8).await;
    let one = BatchLimits {
        max_records: 1,
        ..LIMITS
    };
    let mut reading = scene.open_orders(scene.start()).await;
    for batch in reading.read_until_within("7", one).await {
        assert!(!batch.reached_end, "there is more behind {:?}", batch.position);
    }
    reading.read_until("8").await;
    reading.read_to_the_end().await;
    assert_eq!(reading.records.len(), 8);
}

pub async fn a_batch_dropped_midway_loses_nothing<H: WatcherHarness>(scene: &Scene<H>) {
    let few = BatchLimits {
        max_records: 2,
        ..LIMITS
    };
    let mut reading = scene.open_orders(scene.start()).await;
    for n in 1..=40 {
        let id = n.to_string();
        let polls = n % 5;
        // While the change is made, and when it is there.
        tokio::join!(reading.batch_within_polls(polls, few), scene.insert(&id));
        reading.batch_within_polls(polls / 2, few).await;
    }
    reading.read_until("40").await;
    let expected: Vec<String> = (1..=40).map(|n: u32| n.to_string()).collect();
    assert_eq!(reading.ids(), expected);
}

pub async fn the_two_records_of_a_change_of_key_come_in_one_batch<H: WatcherHarness>(scene: &Scene<H>) {
    let keyed = match scene.harness().keyed_target(scene.guard(), "orders") {
        Ok(target) => target,
        Err(reason) => return scene.skip(reason),
    };
    scene.insert("1").await;
    for n in 0..4 {
        let change = Change::Update {
            collection: "orders",
            id: "1",
            group: &format!("g{n}"),
            n,
        };
        if !scene.change(change).await {
            return;
        }
    }
    scene.insert_into("orders", "end", 0, 0).await;
    let tight = [
        BatchLimits {
            max_records: 1,
            ..LIMITS
        },
        BatchLimits {
            max_records: 2,
            ..LIMITS
        },
        BatchLimits {
            max_bytes: 1,
            ..LIMITS
        },
    ];
    // Of the end there is its group, which is the first one's.
    let expected = ["g", "g", "g0", "g0", "g1", "g1", "g2", "g2", "g3", "g"];
    for limits in tight {
        let mut reading = scene.open(std::slice::from_ref(&keyed), scene.start()).await;
        let mut after_each = Vec::new();
        while reading.records.len() < expected.len() {
            // That no change is torn is checked of every batch.
            let batch = reading.batch(limits).await;
            after_each.push((batch.position, reading.records.len()));
        }
        assert_eq!(reading.ids(), expected, "within {limits:?}");
        let pairs = reading.records[1..9].chunks(2);
        for pair in pairs {
            assert_eq!(pair[0].sequence().token(), pair[1].sequence().token());
            assert!(pair[0].event_id() != pair[1].event_id(), "two records of one id");
            assert!(pair[0].key() != pair[1].key(), "the change is one of its key");
        }
        for (position, done) in after_each {
            let mut rest = scene.open(std::slice::from_ref(&keyed), &position).await;
            rest.read_count(expected.len() - done).await;
            assert_eq!(rest.ids(), expected[done..], "gone on after {position:?}");
        }
    }
}
