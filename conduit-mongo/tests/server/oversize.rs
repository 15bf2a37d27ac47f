//! Changes whose events are larger than the 16 MB that MongoDB can send.
//!
//! With both images an update of a document of 9 MB is one: its event would hold 18.

use std::sync::Arc;

use bson::{Bson, Decimal128, Document, doc};
use conduit_core::{
    BatchLimits, CollectionName, Images, Position, Record, WatchErrorKind, WatchTarget, Watcher,
};
use conduit_mongo::{MongoWatcher, StreamSettings};
use mongodb::Collection;

use crate::scene::{LIMITS, Reading, Scene, target, with_both_images, with_keys};

const MEGABYTE: usize = 1 << 20;

fn pad(megabytes: usize) -> String {
    "x".repeat(megabytes * MEGABYTE)
}

/// Two of its images are too much.
fn large(id: impl Into<Bson>) -> Document {
    doc! { "_id": id.into(), "pad": pad(9) }
}

async fn touch(collection: &Collection<Document>, id: impl Into<Bson>) {
    let change = doc! { "$inc": { "n": 1 } };
    collection
        .update_one(doc! { "_id": id.into() }, change)
        .await
        .unwrap();
}

/// The record's type, the beginning of its keys, which images there are, and its fault.
fn line(record: &Arc<Record>) -> String {
    let keys = String::from_utf8(record.keys().to_vec()).unwrap();
    let keys: String = keys.chars().take(24).collect();
    let mut line = format!("{} {keys}", record.record_type());
    for (name, image) in [("new", record.new_image()), ("old", record.old_image())] {
        if image.is_some() {
            line = format!("{line} {name}");
        }
    }
    match record.fault() {
        Some(fault) if fault.contains("16 MB") => line + " TOO LARGE",
        Some(fault) => panic!("another fault: {fault}"),
        None => line,
    }
}

fn lines(records: &[Arc<Record>]) -> Vec<String> {
    records.iter().map(line).collect()
}

fn ids(records: &[Arc<Record>]) -> Vec<String> {
    let id = |record: &Arc<Record>| format!("{} {}", record.event_id(), record.sequence());
    records.iter().map(id).collect()
}

/// Goes on after the position of each batch of one record, and comes to the same records, with a stream of
/// the same shape and of another.
async fn comes_to_the_same_from_everywhere(
    scene: &Scene,
    target: &WatchTarget,
    start: &Position,
    count: usize,
) {
    let all = ids(&scene.read(target, start, count).await);
    let mut absent = target.clone();
    absent.collection = CollectionName::new("absent").unwrap();
    let other = [target.clone(), absent];
    let one = BatchLimits {
        max_records: 1,
        ..LIMITS
    };
    let mut reading = scene.open(std::slice::from_ref(target), start).await;
    let mut done = 0;
    while done < count {
        let batch = reading.stream.next_batch(one).await.unwrap();
        assert!(batch.position >= reading.position, "the position went back");
        reading.position = batch.position;
        assert_eq!(ids(&batch.records), all[done..done + batch.records.len()]);
        done += batch.records.len();
        assert!(!batch.reached_end || done == count, "there are more");
        for targets in [std::slice::from_ref(target), &other] {
            let rest = scene
                .open(targets, &reading.position)
                .await
                .records(count - done)
                .await;
            assert_eq!(ids(&rest), all[done..]);
        }
    }
}

/// The stream failed at such a change, and failed again each time it was opened, for ever.
#[tokio::test]
async fn a_change_that_is_too_large_is_a_record_without_images_in_its_place() {
    let scene = Scene::new().await;
    let orders = scene.collection_with_images("orders").await;
    orders.insert_one(large(2)).await.unwrap();
    let start = scene.now().await;
    let target = with_both_images("orders");
    orders.insert_one(doc! { "_id": 1 }).await.unwrap();
    touch(&orders, 2).await;
    orders.insert_one(doc! { "_id": 3 }).await.unwrap();
    let expected = [
        r#"INSERT {"_id":1} new"#,
        r#"MODIFY {"_id":2} TOO LARGE"#,
        r#"INSERT {"_id":3} new"#,
    ];
    // The server fails as the stream is opened.
    let mut reading = scene.open(std::slice::from_ref(&target), &start).await;
    assert_eq!(lines(&reading.records(3).await), expected);
    // And here where the stream goes on.
    orders.insert_one(doc! { "_id": 4 }).await.unwrap();
    touch(&orders, 2).await;
    touch(&orders, 1).await;
    let expected = [
        r#"INSERT {"_id":4} new"#,
        r#"MODIFY {"_id":2} TOO LARGE"#,
        r#"MODIFY {"_id":1} new old"#,
    ];
    assert_eq!(lines(&reading.records(3).await), expected);
    comes_to_the_same_from_everywhere(&scene, &target, &start, 6).await;
    scene.drop().await;
}

#[tokio::test]
async fn many_changes_around_one_that_is_too_large_come_once_and_in_order() {
    let scene = Scene::new().await;
    let orders = scene.collection_with_images("orders").await;
    orders.insert_one(large(-1)).await.unwrap();
    let start = scene.now().await;
    let many = |first: i32| (first..first + 400).map(|id| doc! { "_id": id });
    orders.insert_many(many(0)).await.unwrap();
    touch(&orders, -1).await;
    orders.insert_many(many(400)).await.unwrap();
    let records = scene.read(&with_both_images("orders"), &start, 801).await;
    assert_eq!(line(&records[400]), r#"MODIFY {"_id":-1} TOO LARGE"#);
    let others = [&records[..400], &records[401..]].concat();
    for (id, record) in others.iter().enumerate() {
        assert_eq!(line(record), format!(r#"INSERT {{"_id":{id}}} new"#));
    }
    scene.drop().await;
}

/// The largest document has an event of its own size, so a long `_id`, which it holds three times, is too much.
#[tokio::test]
async fn the_largest_document_comes_whole_unless_its_id_is_long() {
    let scene = Scene::new().await;
    let orders = scene.collection("orders");
    let start = scene.now().await;
    let largest = |id: &str| doc! { "_id": id, "pad": "x".repeat(16 * MEGABYTE - id.len() - 40) };
    orders.insert_one(doc! { "_id": "a" }).await.unwrap();
    orders.insert_one(largest("b")).await.unwrap();
    orders.insert_one(largest(&"c".repeat(9000))).await.unwrap();
    orders.insert_one(doc! { "_id": "d" }).await.unwrap();
    let records = scene.read(&target("orders"), &start, 4).await;
    assert_eq!(
        lines(&records),
        [
            r#"INSERT {"_id":"a"} new"#,
            r#"INSERT {"_id":"b"} new"#,
            r#"INSERT {"_id":"cccccccccccccccc TOO LARGE"#,
            r#"INSERT {"_id":"d"} new"#,
        ]
    );
    comes_to_the_same_from_everywhere(&scene, &target("orders"), &start, 4).await;
    scene.drop().await;
}

#[tokio::test]
async fn changes_that_are_too_large_may_come_in_a_row_first_and_last() {
    let scene = Scene::new().await;
    let orders = scene.collection_with_images("orders").await;
    orders.insert_one(large(1)).await.unwrap();
    let start = scene.now().await;
    for _ in 0..3 {
        touch(&orders, 1).await;
    }
    let target = with_both_images("orders");
    let records = scene.read(&target, &start, 3).await;
    assert_eq!(lines(&records), [r#"MODIFY {"_id":1} TOO LARGE"#; 3]);
    assert!(records.is_sorted_by(|one, next| one.sequence() < next.sequence()));
    comes_to_the_same_from_everywhere(&scene, &target, &start, 3).await;
    scene.drop().await;
}

/// All changes of a transaction share one time, so that the place among them is the token's alone.
#[tokio::test]
async fn changes_that_are_too_large_are_passed_within_a_transaction() {
    let scene = Scene::new().await;
    let orders = scene.collection_with_images("orders").await;
    for id in [1, 3, 4] {
        orders.insert_one(large(id)).await.unwrap();
    }
    let start = scene.now().await;
    let mut session = scene.database.client().start_session().await.unwrap();
    session.start_transaction().await.unwrap();
    for id in 0..6 {
        let change = doc! { "$inc": { "n": 1 } };
        orders
            .update_one(doc! { "_id": id }, change)
            .upsert(true)
            .session(&mut session)
            .await
            .unwrap();
    }
    session.commit_transaction().await.unwrap();
    let target = with_both_images("orders");
    let records = scene.read(&target, &start, 6).await;
    assert_eq!(
        lines(&records),
        [
            r#"INSERT {"_id":0} new"#,
            r#"MODIFY {"_id":1} TOO LARGE"#,
            r#"INSERT {"_id":2} new"#,
            r#"MODIFY {"_id":3} TOO LARGE"#,
            r#"MODIFY {"_id":4} TOO LARGE"#,
            r#"INSERT {"_id":5} new"#,
        ]
    );
    assert!(records.iter().all(|record| record.time() == records[0].time()));
    comes_to_the_same_from_everywhere(&scene, &target, &start, 6).await;
    scene.drop().await;
}

/// In a transaction the changes before such a token have its time, and the stream is opened at that.
#[tokio::test]
async fn what_came_before_a_refused_token_does_not_come_again() {
    let scene = Scene::new().await;
    let orders = scene.collection_with_images("orders").await;
    let keys = ["0.5", "1.5", "2.5", "3.5"].map(|id| id.parse::<Decimal128>().unwrap());
    orders.insert_one(large(keys[1])).await.unwrap();
    let start = scene.now().await;
    let mut session = scene.database.client().start_session().await.unwrap();
    session.start_transaction().await.unwrap();
    for id in keys {
        let change = orders.update_one(doc! { "_id": id }, doc! { "$inc": { "n": 1 } });
        change.upsert(true).session(&mut session).await.unwrap();
    }
    session.commit_transaction().await.unwrap();
    let settings = StreamSettings {
        batch_size: 1,
        ..StreamSettings::default()
    };
    let watcher = MongoWatcher::with_settings(scene.database.clone(), settings);
    let stream = watcher.open(&[with_both_images("orders")], &start).await;
    let mut reading = Reading {
        stream: stream.unwrap(),
        position: start,
    };
    let records = reading.records(4).await;
    assert_eq!(
        lines(&records),
        [
            r#"INSERT {"_id":"0.5"} new"#,
            r#"MODIFY {"_id":"1.5"} TOO LARGE"#,
            r#"INSERT {"_id":"2.5"} new"#,
            r#"INSERT {"_id":"3.5"} new"#,
        ]
    );
    scene.drop().await;
}

/// The server refuses the token of a change whose key is a decimal.
#[tokio::test]
async fn a_change_that_is_too_large_is_passed_though_its_token_is_refused() {
    let scene = Scene::new().await;
    let orders = scene.collection_with_images("orders").await;
    let id: Decimal128 = "1.50".parse().unwrap();
    orders.insert_one(large(id)).await.unwrap();
    let start = scene.now().await;
    touch(&orders, id).await;
    touch(&orders, id).await;
    orders.insert_one(doc! { "_id": 2 }).await.unwrap();
    let target = with_both_images("orders");
    let records = scene.read(&target, &start, 3).await;
    assert!(records[..2].iter().all(|record| record.fault().is_some()));
    assert_eq!(line(&records[2]), r#"INSERT {"_id":2} new"#);
    comes_to_the_same_from_everywhere(&scene, &target, &start, 3).await;
    scene.drop().await;
}

/// Nobody asked for the old image: it only tells the key. And what an update changed is in the new image.
#[tokio::test]
async fn what_no_record_holds_makes_no_change_too_large() {
    let scene = Scene::new().await;
    let users = scene.collection_with_images("users").await;
    let start = scene.now().await;
    users
        .insert_one(doc! { "_id": 1, "id": 7, "pad": pad(9) })
        .await
        .unwrap();
    touch(&users, 1).await;
    users
        .update_one(doc! { "_id": 1 }, doc! { "$set": { "id": 8 } })
        .await
        .unwrap();
    users.delete_one(doc! { "_id": 1 }).await.unwrap();
    let records = scene.read(&with_keys("users", &["id"]), &start, 5).await;
    assert_eq!(
        lines(&records),
        [
            r#"INSERT {"id":7} new"#,
            r#"MODIFY {"id":7} new"#,
            r#"REMOVE {"id":7}"#,
            r#"INSERT {"id":8} new"#,
            r#"REMOVE {"id":8}"#,
        ]
    );
    let start = scene.now().await;
    let orders = scene.collection("orders");
    orders.insert_one(doc! { "_id": 1 }).await.unwrap();
    orders
        .update_one(doc! { "_id": 1 }, doc! { "$set": { "pad": pad(9) } })
        .await
        .unwrap();
    let records = scene.read(&target("orders"), &start, 2).await;
    assert_eq!(lines(&records)[1], r#"MODIFY {"_id":1} new"#);
    scene.drop().await;
}

#[tokio::test]
async fn a_record_without_images_keeps_the_key_of_the_schema() {
    let scene = Scene::new().await;
    let users = scene.collection_with_images("users").await;
    users
        .insert_one(doc! { "_id": 1, "id": 7, "pad": pad(9) })
        .await
        .unwrap();
    let start = scene.now().await;
    users.insert_one(doc! { "_id": 2, "id": 9 }).await.unwrap();
    touch(&users, 1).await;
    users
        .update_one(doc! { "_id": 1 }, doc! { "$set": { "id": 8 } })
        .await
        .unwrap();
    users.delete_one(doc! { "_id": 1 }).await.unwrap();
    let target = WatchTarget {
        images: Images::NewAndOld,
        ..with_keys("users", &["id"])
    };
    let records = scene.read(&target, &start, 5).await;
    assert_eq!(
        lines(&records),
        [
            r#"INSERT {"id":9} new"#,
            r#"MODIFY {"id":7} TOO LARGE"#,
            r#"REMOVE {"id":7} TOO LARGE"#,
            r#"INSERT {"id":8} TOO LARGE"#,
            r#"REMOVE {"id":8} old"#,
        ]
    );
    assert_eq!(records[3].key(), records[4].key());
    comes_to_the_same_from_everywhere(&scene, &target, &start, 5).await;
    scene.drop().await;
}

#[tokio::test]
async fn a_key_that_is_too_large_itself_is_replaced_by_the_id() {
    let scene = Scene::new().await;
    let users = scene.collection_with_images("users").await;
    users.insert_one(doc! { "_id": 1, "id": pad(9) }).await.unwrap();
    let start = scene.now().await;
    touch(&users, 1).await;
    users.insert_one(doc! { "_id": 2, "id": 9 }).await.unwrap();
    let records = scene.read(&with_keys("users", &["id"]), &start, 2).await;
    assert_eq!(
        lines(&records),
        [r#"MODIFY {"_id":1} TOO LARGE"#, r#"INSERT {"id":9} new"#]
    );
    scene.drop().await;
}

/// From 8 MB on the server fails at the token, which is twice as long, and says so with another code.
#[tokio::test]
async fn an_id_that_is_too_large_for_any_event_is_told() {
    for megabytes in [7, 8] {
        let scene = Scene::new().await;
        let start = scene.now().await;
        let orders = scene.collection("orders");
        orders.insert_one(doc! { "_id": 1 }).await.unwrap();
        orders.insert_one(doc! { "_id": pad(megabytes) }).await.unwrap();
        let mut reading = scene.open(&[target("orders")], &start).await;
        reading.records(1).await;
        let error = reading.failure().await;
        assert_eq!(error.kind(), WatchErrorKind::Invalid, "{error:?}");
        assert!(error.message().contains("16 MB"), "{error}");
        scene.drop().await;
    }
}
