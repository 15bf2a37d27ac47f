//! What is remembered of single records and keys: gaps, poison, processed ids, dead letters.

use std::error::Error;

use conduit_core::{
    CollectionName, ParkedRecord, Position, ProcessedId, QueueLengths, RecordKey, Sequence, WallTime,
};
use serde_json::{Value, json};

use super::super::samples::{at, collection, destination, record, retry_parked, stored_position, token};
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

pub async fn poisoned_keys_survive_until_they_are_cured<H: StoreHarness>(mut scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    let keys = [RecordKey::of(b"a"), RecordKey::of(b"b"), RecordKey::from_u128(1)];
    let mut first = commit(&lease, 1);
    first.poisoned = keys.to_vec();
    scene.commit(&first).await;
    scene.reopen().await;
    let mut found = scene.state(&lease).await.poisoned;
    found.sort();
    let mut expected = keys;
    expected.sort();
    assert_eq!(found, expected);
    let mut second = commit(&lease, 2);
    second.cured = vec![keys[0], keys[2], RecordKey::of(b"never")];
    scene.commit(&second).await;
    scene.reopen().await;
    assert_eq!(scene.state(&lease).await.poisoned, [keys[1]]);
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

fn id_of(letter: &str) -> u64 {
    let letter: Value = serde_json::from_str(letter).expect("a dead letter is JSON");
    letter["id"]
        .as_u64()
        .expect("a dead letter has a number as its id")
}

pub async fn dead_letters_have_the_fields_of_the_contract<H: StoreHarness>(mut scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    let record = record(&collection("orders"), 1, "a");
    let mut first = commit(&lease, 1);
    first.dead = vec![dead(&record)];
    scene.commit(&first).await;
    scene.reopen().await;
    let letters = scene.dead_letters().await;
    assert_eq!(letters.len(), 1);
    let mut letter: Value = serde_json::from_str(&letters[0]).expect("a dead letter is JSON");
    assert!(letter["id"].is_u64());
    let fields = letter.as_object_mut().expect("a dead letter is an object");
    fields.remove("id");
    let expected = json!({
        "destination": "http-1",
        "record": serde_json::from_slice::<Value>(record.json()).unwrap(),
        "attempts": 6,
        "first_attempt": "2023-11-14T22:13:20.123Z",
        "last_attempt": "2023-11-14T22:13:51.000Z",
        "last_error": "POST answered 500: \"no\"\n",
        "stale": false,
    });
    assert_eq!(letter, expected);
    let text = std::str::from_utf8(record.json()).unwrap();
    assert!(letters[0].contains(text), "the record's JSON is not as it was");
}

pub async fn dead_letters_are_paged_by_growing_id<H: StoreHarness>(mut scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    let name = collection("orders");
    for number in 1..=3 {
        let mut next = commit(&lease, number);
        let first = u32::try_from(number).unwrap() * 10;
        next.dead = (first..first + 4).map(|n| dead(&record(&name, n, "a"))).collect();
        scene.commit(&next).await;
        scene.reopen().await;
    }
    let all = scene.dead_letters().await;
    let ids: Vec<u64> = all.iter().map(|letter| id_of(letter)).collect();
    assert_eq!(ids.len(), 12);
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    let sequences = all.iter().map(|letter| {
        let letter: Value = serde_json::from_str(letter).unwrap();
        letter["record"]["sequenceNumber"].as_str().unwrap().to_owned()
    });
    assert!(
        sequences.collect::<Vec<_>>().is_sorted(),
        "dead letters are not oldest first"
    );

    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let page = scene.store().dead_letters(&name, after, 5).await.unwrap();
        assert!(page.len() <= 5);
        let Some(last) = page.last() else { break };
        after = Some(id_of(last));
        paged.extend(page);
    }
    assert_eq!(paged, all);
    assert!(
        scene
            .store()
            .dead_letters(&name, None, 0)
            .await
            .unwrap()
            .is_empty()
    );
    let none = scene
        .store()
        .dead_letters(&collection("never-seen"), None, 5)
        .await
        .unwrap();
    assert!(none.is_empty());
}

pub async fn dead_letters_are_counted_by_subscription<H: StoreHarness>(scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    scene.state_of(&lease, "http-2").await;
    let name = collection("orders");
    let mut first = commit(&lease, 1);
    first.dead = vec![dead(&record(&name, 1, "a")), dead(&record(&name, 2, "a"))];
    let mut second = commit(&lease, 1);
    second.subscription.destination = destination("http-2");
    second.dead = vec![dead(&record(&name, 1, "a"))];
    scene.commit(&first).await;
    scene.commit(&second).await;
    assert_eq!(scene.state(&lease).await.dead_letters, 2);
    assert_eq!(scene.state_of(&lease, "http-2").await.dead_letters, 1);
    assert_eq!(scene.dead_letters().await.len(), 3);
}

pub async fn purging_drops_dead_letters_of_one_subscription<H: StoreHarness>(mut scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    scene.state_of(&lease, "http-2").await;
    let name = collection("orders");
    // More than a store would look at in one go.
    for number in 1..=3 {
        let letters: Vec<_> = (0..500).map(|n| dead(&record(&name, n, "a"))).collect();
        let mut first = commit(&lease, number);
        first.dead = letters.clone();
        let mut second = commit(&lease, number);
        second.subscription.destination = destination("http-2");
        second.dead = letters;
        let answers = scene.store().commit(&[first, second]).await;
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    }
    let last = scene.store().dead_letters(&name, Some(2999), 10).await.unwrap();
    for dropped in [1500, 0] {
        assert_eq!(
            scene.store().purge_dead_letters(&orders()).await.unwrap(),
            dropped
        );
    }
    scene.reopen().await;
    assert_eq!(scene.state(&lease).await.dead_letters, 0);
    assert_eq!(scene.state_of(&lease, "http-2").await.dead_letters, 1500);
    let left = scene.store().dead_letters(&name, None, 5000).await.unwrap();
    assert_eq!(left.len(), 1500);
    assert!(left.iter().map(|letter| id_of(letter)).is_sorted());
    assert!(
        left.iter()
            .all(|letter| letter.contains(r#""destination":"http-2""#))
    );
    assert_eq!(left.last(), last.last());

    // Ids are not given again.
    let mut again = commit(&lease, 4);
    again.dead = vec![dead(&record(&name, 1, "a"))];
    scene.commit(&again).await;
    let after = id_of(left.last().expect("letters are left"));
    let added = scene.store().dead_letters(&name, Some(after), 10).await.unwrap();
    assert_eq!(added.len(), 1);
    assert_eq!(scene.state(&lease).await.dead_letters, 1);
    let nothing = scene
        .store()
        .purge_dead_letters(&subscription("never-seen", "http-1"))
        .await
        .unwrap();
    assert_eq!(nothing, 0);
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
