//! Streams of many collections, which the server matches by the names that are not wanted.

use std::sync::Arc;

use bson::{Document, doc};
use conduit_core::{Position, Record, WatchTarget, Watcher};
use tokio::time::Instant;

use crate::scene::{LIMITS, PATIENCE, Reading, Scene, target};

/// More than are matched by their own names, most of which do not exist.
fn many() -> Vec<WatchTarget> {
    (0..30).map(|n| target(&format!("orders-{n}"))).collect()
}

async fn insert(scene: &Scene, collection: &str, id: i32) {
    let documents = scene.collection(collection);
    documents.insert_one(doc! { "_id": id }).await.unwrap();
}

async fn rename(scene: &Scene, from: &str, to: &str) {
    let name = |name: &str| format!("{}.{name}", scene.database.name());
    let command = doc! { "renameCollection": name(from), "to": name(to) };
    let admin = scene.database.client().database("admin");
    admin.run_command(command).await.unwrap();
}

fn places(records: &[Arc<Record>]) -> Vec<String> {
    let place = |record: &Arc<Record>| {
        format!(
            "{} {}",
            record.collection(),
            String::from_utf8_lossy(record.keys())
        )
    };
    records.iter().map(place).collect()
}

/// The condition on names of the scene's only stream, as the server has it.
async fn condition(scene: &Scene) -> Document {
    let command = doc! {
        "aggregate": 1,
        "pipeline": [
            { "$currentOp": { "idleCursors": true, "allUsers": true } },
            { "$match": { "cursor.originatingCommand.$db": scene.database.name() } },
        ],
        "cursor": {},
    };
    let admin = scene.database.client().database("admin");
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "no stream is open");
        let reply = admin.run_command(command.clone()).await.unwrap();
        let found = reply
            .get_document("cursor")
            .unwrap()
            .get_array("firstBatch")
            .unwrap();
        let Some(found) = found.first() else { continue };
        let cursor = found.as_document().unwrap().get_document("cursor").unwrap();
        let pipeline = cursor
            .get_document("originatingCommand")
            .unwrap()
            .get_array("pipeline");
        let stage = pipeline.unwrap()[1].as_document().unwrap();
        let condition = stage.get_document("$match").unwrap().get_document("ns.coll");
        return condition.unwrap().clone();
    }
}

#[tokio::test]
async fn what_appears_and_is_not_wanted_is_left_out() {
    let scene = Scene::new().await;
    insert(&scene, "other", 0).await;
    let start = scene.now().await;
    let mut reading = scene.open(&many(), &start).await;
    reading.idle_until(|position| position.token().is_some()).await;
    assert_eq!(
        condition(&scene).await,
        doc! { "$nin": ["other"], "$exists": true }
    );
    insert(&scene, "orders-1", 1).await;
    insert(&scene, "other", 2).await;
    insert(&scene, "new", 3).await;
    insert(&scene, "orders-2", 4).await;
    insert(&scene, "new", 5).await;
    let end = scene.watcher.now().await.unwrap();
    let wanted = [r#"orders-1 {"_id":1}"#, r#"orders-2 {"_id":4}"#];
    assert_eq!(places(&reading.records(2).await), wanted);
    reading.idle_until(|position| position.time() >= end).await;
    scene.drop().await;
}

#[tokio::test]
async fn drops_and_renames_end_no_stream_that_is_matched_by_others() {
    let scene = Scene::new().await;
    for name in ["other", "orders-1"] {
        insert(&scene, name, 0).await;
    }
    let start = scene.now().await;
    let mut reading = scene.open(&many(), &start).await;
    insert(&scene, "orders-1", 1).await;
    scene.collection("orders-1").drop().await.unwrap();
    insert(&scene, "orders-1", 2).await;
    rename(&scene, "orders-1", "archive").await;
    insert(&scene, "archive", 3).await;
    rename(&scene, "other", "orders-1").await;
    insert(&scene, "orders-1", 4).await;
    insert(&scene, "other", 5).await;
    scene.collection("other").drop().await.unwrap();
    insert(&scene, "orders-29", 6).await;
    let wanted = [
        r#"orders-1 {"_id":1}"#,
        r#"orders-1 {"_id":2}"#,
        r#"orders-1 {"_id":4}"#,
        r#"orders-29 {"_id":6}"#,
    ];
    let records = reading.records(4).await;
    assert_eq!(places(&records), wanted);
    // The same from another match, by which the token may not be found.
    let few = [target("orders-1"), target("orders-29")];
    for n in 0..3 {
        let identity = Arc::clone(reading.position.stream());
        let token = records[n].sequence().token();
        let position = Position::after(records[n].time(), token, identity);
        for targets in [&few[..], &many()] {
            let rest = scene.open(targets, &position).await.records(3 - n).await;
            assert_eq!(places(&rest), wanted[n + 1..]);
        }
    }
    scene.drop().await;
}

#[tokio::test]
async fn much_that_is_not_wanted_is_matched_away_and_nothing_is_lost_or_repeated() {
    let scene = Scene::new().await;
    insert(&scene, "other", 0).await;
    let start = scene.now().await;
    let mut reading = scene.open(&many(), &start).await;
    reading.idle_until(|position| position.token().is_some()).await;
    let before = reading.position.clone();
    let mut id = 0;
    let mut records = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while reading.position.stream() == before.stream() {
        assert!(Instant::now() < deadline, "the match stays");
        // All of it in transactions, so that changes before and after a position share its time.
        let mut session = scene.database.client().start_session().await.unwrap();
        scene.database.create_collection("new").await.ok();
        scene.database.create_collection("orders-3").await.ok();
        session.start_transaction().await.unwrap();
        for _ in 0..4 {
            let wanted = scene.collection("orders-3");
            wanted
                .insert_one(doc! { "_id": id })
                .session(&mut session)
                .await
                .unwrap();
            let others = (0..800).map(|n| doc! { "_id": id * 1000 + n });
            let new = scene.collection("new");
            new.insert_many(others).session(&mut session).await.unwrap();
            id += 1;
        }
        session.commit_transaction().await.unwrap();
        records.extend(reading.batch(LIMITS).await.unwrap());
    }
    insert(&scene, "orders-4", 0).await;
    let expected: Vec<_> = (0..id)
        .map(|id| format!(r#"orders-3 {{"_id":{id}}}"#))
        .chain([r#"orders-4 {"_id":0}"#.to_owned()])
        .collect();
    let rest = reading.records(expected.len() - records.len()).await;
    records.extend(rest);
    assert_eq!(places(&records), expected);
    let condition = condition(&scene).await;
    assert_eq!(condition.get_array("$nin").unwrap().len(), 2, "{condition}");
    // And from the positions of both.
    let all = scene.open(&many(), &before).await.records(expected.len()).await;
    assert_eq!(places(&all), expected);
    insert(&scene, "orders-5", 0).await;
    let last = scene.open(&many(), &reading.position).await.records(1).await;
    assert_eq!(places(&last), [r#"orders-5 {"_id":0}"#]);
    scene.drop().await;
}

#[tokio::test]
async fn a_dropped_database_leaves_a_place_to_go_on_from() {
    let scene = Scene::new().await;
    insert(&scene, "other", 0).await;
    let start = scene.now().await;
    let mut reading = scene.open(&many(), &start).await;
    insert(&scene, "orders-1", 1).await;
    reading.records(1).await;
    scene.database.drop().await.unwrap();
    reading.failure().await;
    insert(&scene, "orders-1", 2).await;
    let mut few = many();
    few.truncate(2);
    for targets in [many(), few] {
        let deadline = Instant::now() + PATIENCE;
        let mut again = Reading {
            stream: scene.watcher.open(&targets, &reading.position).await.unwrap(),
            position: reading.position.clone(),
        };
        // Each opening may end once more at the drop, but must have moved.
        let found = loop {
            assert!(Instant::now() < deadline, "stuck at {:?}", again.position);
            match again.batch(LIMITS).await {
                Ok(records) if records.is_empty() => {}
                Ok(records) => break records,
                Err(_) => again = scene.open(&targets, &again.position).await,
            }
        };
        assert_eq!(places(&found), [r#"orders-1 {"_id":2}"#]);
    }
    scene.drop().await;
}
