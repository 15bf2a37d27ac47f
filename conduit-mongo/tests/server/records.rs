//! What each operation's record holds.

use bson::doc;
use conduit_core::{ImageFormat, Watcher};

use crate::scene::{Scene, json, lines, target, with_both_images};

#[tokio::test]
async fn each_operation_makes_its_record() {
    let scene = Scene::new().await;
    let start = scene.now().await;
    let orders = scene.collection("orders");
    orders.insert_one(doc! { "_id": 1, "a": 1.0 }).await.unwrap();
    orders.insert_one(doc! { "_id": "two" }).await.unwrap();
    let mut reading = scene.open(&[target("orders")], &start).await;
    let mut records = reading.records(2).await;
    orders
        .update_one(doc! { "_id": 1 }, doc! { "$set": { "a": 2 } })
        .await
        .unwrap();
    records.extend(reading.records(1).await);
    orders
        .replace_one(doc! { "_id": 1 }, doc! { "b": true })
        .await
        .unwrap();
    orders.delete_one(doc! { "_id": 1 }).await.unwrap();
    records.extend(reading.records(2).await);
    assert_eq!(
        lines(&records),
        [
            r#"INSERT {"_id":1} new {"_id":1,"a":1.0} old -"#,
            r#"INSERT {"_id":"two"} new {"_id":"two"} old -"#,
            r#"MODIFY {"_id":1} new {"_id":1,"a":2} old -"#,
            r#"MODIFY {"_id":1} new {"_id":1,"b":true} old -"#,
            r#"REMOVE {"_id":1} new - old -"#,
        ]
    );
    assert_eq!(records[0].key(), records[4].key());
    assert_ne!(records[0].key(), records[1].key());
    assert!(records.is_sorted_by(|one, next| one.sequence() < next.sequence() && one.time() < next.time()));
    scene.drop().await;
}

#[tokio::test]
async fn a_record_tells_its_time_and_its_place() {
    let scene = Scene::new().await;
    let start = scene.now().await;
    scene
        .collection("orders")
        .insert_one(doc! { "_id": 1 })
        .await
        .unwrap();
    let acknowledged = scene.watcher.now().await.unwrap();
    let records = scene.read(&target("orders"), &start, 1).await;
    let record = json(&records[0]);
    assert_eq!(record["tableName"], "orders");
    assert_eq!(record["eventVersion"], "1.0");
    assert_eq!(record["eventID"].as_str().unwrap().len(), 32);
    assert!(record["sequenceNumber"].as_str().unwrap().starts_with("82"));
    assert!(start.time() <= records[0].time() && records[0].time() <= acknowledged);
    let seconds = record["timestamp"].as_i64().unwrap() / 1000;
    assert!((seconds - i64::from(records[0].time().t)).abs() <= 2);
    assert!(record.get("oldImage").is_none());
    scene.drop().await;
}

#[tokio::test]
async fn both_images_are_as_they_were_at_the_change() {
    let scene = Scene::new().await;
    let orders = scene.collection_with_images("orders").await;
    let start = scene.now().await;
    orders.insert_one(doc! { "_id": 1, "a": 1 }).await.unwrap();
    for a in 2..4 {
        orders
            .update_one(doc! { "_id": 1 }, doc! { "$set": { "a": a } })
            .await
            .unwrap();
    }
    orders.delete_one(doc! { "_id": 1 }).await.unwrap();
    let records = scene.read(&with_both_images("orders"), &start, 4).await;
    assert_eq!(
        lines(&records),
        [
            r#"INSERT {"_id":1} new {"_id":1,"a":1} old -"#,
            r#"MODIFY {"_id":1} new {"_id":1,"a":2} old {"_id":1,"a":1}"#,
            r#"MODIFY {"_id":1} new {"_id":1,"a":3} old {"_id":1,"a":2}"#,
            r#"REMOVE {"_id":1} new - old {"_id":1,"a":3}"#,
        ]
    );
    scene.drop().await;
}

#[tokio::test]
async fn a_stored_image_that_is_missing_is_left_out() {
    let scene = Scene::new().await;
    let start = scene.now().await;
    let orders = scene.collection("orders");
    orders.insert_one(doc! { "_id": 1, "a": 1 }).await.unwrap();
    orders
        .update_one(doc! { "_id": 1 }, doc! { "$set": { "a": 2 } })
        .await
        .unwrap();
    let records = scene.read(&with_both_images("orders"), &start, 2).await;
    assert_eq!(lines(&records)[1], r#"MODIFY {"_id":1} new - old -"#);
    scene.drop().await;
}

#[tokio::test]
async fn an_update_whose_document_is_gone_has_no_new_image() {
    let scene = Scene::new().await;
    let start = scene.now().await;
    let orders = scene.collection("orders");
    orders.insert_one(doc! { "_id": 1, "a": 1 }).await.unwrap();
    orders
        .update_one(doc! { "_id": 1 }, doc! { "$set": { "a": 2 } })
        .await
        .unwrap();
    orders.delete_one(doc! { "_id": 1 }).await.unwrap();
    let records = scene.read(&target("orders"), &start, 3).await;
    assert_eq!(lines(&records)[1], r#"MODIFY {"_id":1} new - old -"#);
    scene.drop().await;
}

#[tokio::test]
async fn extended_json_loses_nothing_while_keys_stay_plain() {
    let scene = Scene::new().await;
    let start = scene.now().await;
    scene
        .collection("orders")
        .insert_one(doc! { "_id": 1i64, "d": 1.0, "i": 2 })
        .await
        .unwrap();
    let extended = conduit_core::WatchTarget {
        image_format: ImageFormat::Extjson,
        ..target("orders")
    };
    let records = scene.read(&extended, &start, 1).await;
    assert_eq!(
        lines(&records),
        [
            r#"INSERT {"_id":1} new {"_id":{"$numberLong":"1"},"d":{"$numberDouble":"1.0"},"i":{"$numberInt":"2"}} old -"#
        ]
    );
    scene.drop().await;
}

#[tokio::test]
async fn one_stream_brings_the_collections_it_was_asked_for_and_no_others() {
    let scene = Scene::new().await;
    let start = scene.now().await;
    for name in ["a", "other", "b", "a"] {
        scene.collection(name).insert_one(doc! {}).await.unwrap();
    }
    let records = scene
        .open(&[target("a"), target("b")], &start)
        .await
        .records(3)
        .await;
    let names: Vec<_> = records
        .iter()
        .map(|record| record.collection().as_str())
        .collect();
    assert_eq!(names, ["a", "b", "a"]);
    scene.drop().await;
}
