//! What a record says of its change.

use conduit_core::{Record, RecordType};
use serde_json::Value;

use super::super::scene::target;
use super::super::{Change, Scene, WatcherHarness};

/// Inserts, updates and deletes a document; false if the source cannot.
async fn live_and_die<H: WatcherHarness>(scene: &Scene<H>) -> bool {
    scene.insert_into("orders", "1", 7, 3).await;
    let update = Change::Update {
        collection: "orders",
        id: "1",
        group: "g",
        n: 8,
    };
    let delete = Change::Delete {
        collection: "orders",
        id: "1",
    };
    scene.change(update).await && scene.change(delete).await
}

pub async fn a_record_tells_what_the_change_did<H: WatcherHarness>(scene: &Scene<H>) {
    if !live_and_die(scene).await {
        return;
    }
    scene.insert("end").await;
    let mut reading = scene.open_orders(scene.start()).await;
    reading.read_until("end").await;
    let types: Vec<RecordType> = reading
        .records
        .iter()
        .map(|record| record.record_type())
        .collect();
    assert_eq!(
        types,
        [
            RecordType::Insert,
            RecordType::Modify,
            RecordType::Remove,
            RecordType::Insert
        ]
    );
    for record in &reading.records {
        let json: Value = serde_json::from_slice(record.json()).expect("a record is JSON");
        assert_eq!(json["eventID"], record.event_id().as_str());
        assert_eq!(json["tableName"], "orders");
        assert_eq!(json["sequenceNumber"], record.sequence().as_str());
    }
    let image = |record: &Record| -> Value {
        serde_json::from_slice(record.new_image().expect("there is an image")).expect("an image is JSON")
    };
    let inserted = image(&reading.records[0]);
    assert_eq!(inserted["_id"], "1");
    // What an update's lookup finds may be newer, or gone, as here.
    assert!(
        reading.records[2].new_image().is_none(),
        "what is deleted has no new image"
    );
    assert_eq!(image(&reading.records[3])["_id"], "end");
}

pub async fn records_have_the_key_of_their_document<H: WatcherHarness>(scene: &Scene<H>) {
    if !live_and_die(scene).await {
        return;
    }
    scene.insert("2").await;
    scene.insert("end").await;
    let mut reading = scene.open_orders(scene.start()).await;
    reading.read_until("end").await;
    let keys: Vec<_> = reading.records.iter().map(|record| record.key()).collect();
    assert!(
        keys[..3].iter().all(|key| *key == keys[0]),
        "one document has several keys"
    );
    assert!(
        keys[3] != keys[0] && keys[4] != keys[0] && keys[3] != keys[4],
        "documents share a key"
    );
}

pub async fn every_record_has_an_id_and_a_place_of_its_own<H: WatcherHarness>(scene: &Scene<H>) {
    scene.insert_some(30).await;
    let mut reading = scene.open_orders(scene.start()).await;
    reading.read_until("30").await;
    let mut ids: Vec<_> = reading
        .records
        .iter()
        .map(|record| record.event_id().clone())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 30, "two records share an id");
    // That their places grow is checked of every batch.
}

pub async fn a_change_makes_the_same_record_in_every_stream<H: WatcherHarness>(scene: &Scene<H>) {
    for n in 1..=3 {
        scene.insert_into("users", &format!("user-{n}"), n, 0).await;
        scene.insert_into("orders", &n.to_string(), n, 10).await;
    }
    scene.insert("end").await;
    let told = |records: &[std::sync::Arc<Record>]| -> Vec<_> {
        let of_orders = records
            .iter()
            .filter(|record| record.collection().as_str() == "orders");
        of_orders
            .map(|record| {
                let json = String::from_utf8_lossy(record.json()).into_owned();
                (record.key(), record.time(), record.sequence().clone(), json)
            })
            .collect()
    };
    let mut alone = scene.open_orders(scene.start()).await;
    alone.read_until("end").await;
    let expected = told(&alone.records);
    for names in [
        vec!["orders"],
        vec!["orders", "users"],
        vec!["users", "elsewhere", "orders"],
    ] {
        let targets: Vec<_> = names.iter().map(|name| target(name)).collect();
        let mut reading = scene.open(&targets, scene.start()).await;
        reading.read_until("end").await;
        assert_eq!(told(&reading.records), expected, "in a stream of {names:?}");
    }
    let mut later = scene.open_orders(&alone.position_after(0)).await;
    later.read_until("end").await;
    assert_eq!(told(&later.records), expected[1..], "in a stream that went on");
}
