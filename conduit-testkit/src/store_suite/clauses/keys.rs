//! What is remembered of single records: gaps, processed ids; how many there are; what errors tell.

use std::error::Error;

use conduit_core::{CollectionName, ParkedRecord, Position, ProcessedId, QueueLengths, Sequence, WallTime};

use super::super::samples::{at, collection, record, retry_parked, stored_position, token};
use super::super::scene::{advance, commit, dead, orders, request_of, subscription};
use super::super::{Scene, StoreHarness};

pub async fn settled_ahead_survives_and_is_pruned_by_the_advance<H: StoreHarness>(mut scene: Scene<H>) {
    let (lease, state) = scene.take("w1").await;
    let sequence = |n| Sequence::whole(&token(n));
    let mut first = commit(&lease, 1);
    first.settled_ahead = vec![sequence(9), sequence(3), sequence(5)];
    scene.commit(&first).await;
    scene.reopen().await;
    let mut found = scene.state(&lease).await.settled_ahead;
    found.sort();
    assert_eq!(found, [sequence(3), sequence(5), sequence(9)]);
    let mut second = advance(&lease, 2, &state.position, &stored_position(5));
    second.settled_ahead = vec![sequence(4), sequence(7)];
    scene.commit(&second).await;
    scene.reopen().await;
    let mut found = scene.state(&lease).await.settled_ahead;
    found.sort();
    assert_eq!(found, [sequence(7), sequence(9)]);
}

pub async fn both_records_of_one_change_are_pruned_with_it<H: StoreHarness>(scene: Scene<H>) {
    let (lease, state) = scene.take("w1").await;
    let (first, second) = Sequence::pair(&token(5));
    // A token that the position's token begins.
    let longer = Sequence::whole(&format!("{}04", token(5)));
    let mut ahead = commit(&lease, 1);
    ahead.settled_ahead = vec![
        second.clone(),
        longer.clone(),
        first.clone(),
        Sequence::whole(&token(4)),
    ];
    scene.commit(&ahead).await;
    scene
        .commit(&advance(&lease, 2, &state.position, &stored_position(4)))
        .await;
    let mut found = scene.state(&lease).await.settled_ahead;
    found.sort();
    assert_eq!(found, [first, second, longer.clone()]);
    scene
        .commit(&advance(&lease, 3, &stored_position(4), &stored_position(5)))
        .await;
    assert_eq!(scene.state(&lease).await.settled_ahead, [longer]);
}

pub async fn nothing_is_pruned_by_a_position_without_token<H: StoreHarness>(scene: Scene<H>) {
    let (lease, state) = scene.take("w1").await;
    let mut ahead = advance(&lease, 1, &state.position, &Position::at_time(at(3)));
    ahead.settled_ahead = vec![Sequence::whole(&token(5))];
    scene.commit(&ahead).await;
    assert_eq!(scene.state(&lease).await.settled_ahead, ahead.settled_ahead);
}

pub async fn processed_ids_are_found_by_subscription<H: StoreHarness>(mut scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    let name = collection("orders");
    let ids: Vec<_> = (1..=3).map(|n| ProcessedId::of(&record(&name, n, "a"))).collect();
    let mut first = commit(&lease, 1);
    first.processed = vec![ids[0].clone(), ids[2].clone()];
    scene.commit(&first).await;
    scene.reopen().await;
    let mut asked = ids.clone();
    // The type and the time are part of the id.
    asked.push(ProcessedId {
        record_type: conduit_core::RecordType::Remove,
        ..ids[0].clone()
    });
    asked.push(ProcessedId {
        timestamp: WallTime::from_millis(1),
        ..ids[0].clone()
    });
    let found = scene.store().processed(&orders(), &asked).await.unwrap();
    assert_eq!(found, [true, false, true, false, false]);
    let elsewhere = scene
        .store()
        .processed(&subscription("orders", "http-2"), &ids)
        .await
        .unwrap();
    assert_eq!(elsewhere, [false; 3]);
    let elsewhere = scene
        .store()
        .processed(&subscription("users", "http-1"), &ids)
        .await
        .unwrap();
    assert_eq!(elsewhere, [false; 3]);
    assert!(scene.store().processed(&orders(), &[]).await.unwrap().is_empty());
}

/// What is left of a deleted collection would keep records of the next one of its name from being delivered.
pub async fn forgetting_a_collection_drops_its_processed_ids_and_no_others<H: StoreHarness>(
    mut scene: Scene<H>,
) {
    // More than a store would drop in one go; names that a pattern or a prefix might mistake for each other.
    const MANY: u32 = 12_000;
    let names = ["order?[s]*", "orders", "order?[s]*2", "order", "*"].map(collection);
    let ids = |name: &CollectionName| -> Vec<ProcessedId> {
        let count = if *name == names[0] { MANY } else { 3 };
        (0..count)
            .map(|n| ProcessedId::of(&record(name, n, "a")))
            .collect()
    };
    for name in &names {
        let (lease, _) = scene.take_with(&request_of(name, "w1")).await;
        let mut first = commit(&lease, 1);
        first.processed = ids(name);
        scene.commit(&first).await;
    }
    for _ in 0..2 {
        scene.store().forget_collection(&names[0]).await.unwrap();
    }
    scene.reopen().await;
    for name in &names {
        // A new life of the forgotten one: ids of the old one would be of its generation.
        scene.take_with(&request_of(name, "w1")).await;
        let found = scene
            .store()
            .processed(&subscription(name.as_str(), "http-1"), &ids(name))
            .await
            .unwrap();
        assert!(
            found.iter().all(|&is_found| is_found != (*name == names[0])),
            "{name}"
        );
    }
}

pub async fn lengths_are_told_of_each_subscription<H: StoreHarness>(scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    let name = collection("orders");
    let mut first = commit(&lease, 1);
    first.dead = (0..3).map(|n| dead(&record(&name, n, "a"))).collect();
    first.parked = (1..3)
        .map(|n| retry_parked(u64::from(n), &record(&name, n, "b"), WallTime::from_millis(0)))
        .collect();
    scene.commit(&first).await;
    let asked = [
        subscription("orders", "http-2"),
        orders(),
        subscription("never-seen", "http-1"),
    ];
    let lengths = scene.store().lengths(&asked).await.unwrap();
    let none = QueueLengths::default();
    assert_eq!(lengths, [none, QueueLengths { waiting: 2, dead: 3 }, none]);
    assert!(scene.store().lengths(&[]).await.unwrap().is_empty());
    scene.store().forget(&orders()).await.unwrap();
    let lengths = scene.store().lengths(&asked).await.unwrap();
    assert_eq!(lengths, [none, QueueLengths { waiting: 0, dead: 3 }, none]);
}

pub async fn errors_tell_no_contents<H: StoreHarness>(scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    let secret = record(&collection("orders"), 1, "s3cret-contents");
    let mut wrong = commit(&lease, 9);
    wrong.parked = vec![
        retry_parked(1, &secret, WallTime::from_millis(0)),
        ParkedRecord {
            record: None,
            ..retry_parked(2, &secret, WallTime::from_millis(0))
        },
    ];
    wrong.dead = vec![dead(&secret)];
    for number in [9, 1] {
        wrong.number = number;
        let error = scene.try_commit(&wrong).await.unwrap_err();
        let mut text = format!("{error} {error:?}");
        let mut cause = error.source();
        while let Some(source) = cause {
            text.push_str(&source.to_string());
            cause = source.source();
        }
        assert!(!text.contains("s3cret"), "{text}");
    }
}
