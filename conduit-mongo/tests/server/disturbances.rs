//! Drops, renames, killed servers, and streams that are dropped.

use std::time::Duration;

use bson::doc;
use conduit_core::{Position, WatchErrorKind, Watcher};
use conduit_mongo::{MongoWatcher, StreamSettings};
use conduit_testkit::servers::{MongoServer, Topology, unique_database_name};
use mongodb::Client;
use tokio::time::{Instant, sleep};

use crate::scene::{PATIENCE, Scene, lines, target, with_both_images};

#[tokio::test]
async fn a_collection_that_is_dropped_and_created_again_is_watched_on() {
    let scene = Scene::new().await;
    let start = scene.now().await;
    let orders = scene.collection("orders");
    orders.insert_one(doc! { "_id": 1 }).await.unwrap();
    let mut reading = scene.open(&[target("orders")], &start).await;
    reading.records(1).await;
    orders.drop().await.unwrap();
    let dropped = scene.watcher.now().await.unwrap();
    reading.idle_until(|position| position.time() >= dropped).await;
    let after_drop = reading.position.clone();
    orders.insert_one(doc! { "_id": 2 }).await.unwrap();
    assert_eq!(
        lines(&reading.records(1).await),
        [r#"INSERT {"_id":2} new {"_id":2} old -"#]
    );
    scene.read(&target("orders"), &after_drop, 1).await;
    scene.drop().await;
}

#[tokio::test]
async fn a_rename_only_moves_the_position() {
    let scene = Scene::new().await;
    let start = scene.now().await;
    scene
        .collection("orders")
        .insert_one(doc! { "_id": 1 })
        .await
        .unwrap();
    let name = |name: &str| format!("{}.{name}", scene.database.name());
    let rename = doc! { "renameCollection": name("orders"), "to": name("archive") };
    scene
        .database
        .client()
        .database("admin")
        .run_command(rename)
        .await
        .unwrap();
    scene
        .collection("archive")
        .insert_one(doc! { "_id": 2 })
        .await
        .unwrap();
    scene
        .collection("orders")
        .insert_one(doc! { "_id": 3 })
        .await
        .unwrap();
    let records = scene.read(&target("orders"), &start, 2).await;
    assert_eq!(records[1].keys().as_ref(), br#"{"_id":3}"#);
    scene.drop().await;
}

#[tokio::test]
async fn after_the_database_is_dropped_a_stream_can_be_opened_at_its_last_position() {
    let scene = Scene::new().await;
    let start = scene.now().await;
    let orders = scene.collection("orders");
    orders.insert_one(doc! { "_id": 1 }).await.unwrap();
    let mut reading = scene.open(&[target("orders")], &start).await;
    reading.records(1).await;
    scene.database.drop().await.unwrap();
    let error = reading.failure().await;
    assert_eq!(error.kind(), WatchErrorKind::Unavailable, "{error:?}");
    orders.insert_one(doc! { "_id": 2 }).await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    let mut position = reading.position.clone();
    // Each opening may end once more at the drop, but must have moved.
    let found = loop {
        assert!(Instant::now() < deadline, "stuck at {position:?}");
        let mut again = scene.open(&[target("orders")], &position).await;
        match again.batch(crate::scene::LIMITS).await {
            Ok(records) if records.is_empty() => position = again.position.clone(),
            Ok(records) => break records,
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    };
    assert_eq!(found[0].keys().as_ref(), br#"{"_id":2}"#);
    // And for a stream of another shape, which cannot use the token.
    let other = [target("orders"), target("absent")];
    let mut position = reading.position;
    let found = loop {
        assert!(Instant::now() < deadline, "stuck at {position:?}");
        let mut again = scene.open(&other, &position).await;
        match again.batch(crate::scene::LIMITS).await {
            Ok(records) if records.is_empty() => position = again.position.clone(),
            Ok(records) => break records,
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    };
    assert_eq!(found[0].keys().as_ref(), br#"{"_id":2}"#);
    scene.drop().await;
}

#[tokio::test]
async fn a_killed_server_makes_the_stream_unavailable_and_it_opens_again_afterwards() {
    let mut server = MongoServer::start().await;
    let uri = format!("{}&serverSelectionTimeoutMS=1000", server.uri());
    let scene = Scene::at(&uri).await;
    let start = scene.now().await;
    let orders = scene.collection("orders");
    orders.insert_one(doc! { "_id": 1 }).await.unwrap();
    let mut reading = scene.open(&[target("orders")], &start).await;
    reading.records(1).await;
    orders
        .insert_one(doc! { "_id": 2 })
        .write_concern(mongodb::options::WriteConcern::majority())
        .await
        .unwrap();
    server.kill();
    let mut seen = 1;
    let error = loop {
        match reading.batch(crate::scene::LIMITS).await {
            Ok(records) => seen += records.len(),
            Err(error) => break error,
        }
    };
    let position = reading.position;
    assert_eq!(error.kind(), WatchErrorKind::Unavailable, "{error:?}");
    let refused = scene
        .watcher
        .open(&[target("orders")], &position)
        .await
        .err()
        .unwrap();
    assert_eq!(refused.kind(), WatchErrorKind::Unavailable, "{refused:?}");
    assert!(scene.watcher.now().await.is_err());
    server.restart().await;
    let deadline = Instant::now() + PATIENCE;
    let mut again = loop {
        match scene.watcher.open(&[target("orders")], &position).await {
            Ok(stream) => break crate::scene::Reading { stream, position },
            Err(error) => assert!(Instant::now() < deadline, "{error:?}"),
        }
    };
    orders.insert_one(doc! { "_id": 3 }).await.unwrap();
    let records = again.records(3 - seen).await;
    assert_eq!(records.last().unwrap().keys().as_ref(), br#"{"_id":3}"#);
}

#[tokio::test]
async fn a_dropped_stream_leaves_no_cursor_on_the_server() {
    let scene = Scene::new().await;
    let start = scene.now().await;
    let mut readings = Vec::new();
    for _ in 0..3 {
        let mut reading = scene.open(&[target("orders")], &start).await;
        reading.idle_until(|position| position.token().is_some()).await;
        readings.push(reading);
    }
    // A stream that was given up while it was opened counts too.
    let targets = [target("orders")];
    let opening = scene.watcher.open(&targets, &start);
    assert!(tokio::time::timeout(Duration::ZERO, opening).await.is_err());
    assert!(scene.watcher.open_streams() >= 3);
    wait_for_cursors(&scene, |count| count >= 3).await;
    drop(readings);
    tokio::time::timeout(PATIENCE, scene.watcher.closed())
        .await
        .unwrap();
    assert_eq!(scene.watcher.open_streams(), 0);
    wait_for_cursors(&scene, |count| count == 0).await;
    scene.drop().await;
}

/// Counts the cursors of the scene's database, idle or at work.
async fn wait_for_cursors(scene: &Scene, is_wanted: impl Fn(usize) -> bool) {
    let admin = scene.database.client().database("admin");
    let namespace = format!("^{}", scene.database.name());
    let deadline = Instant::now() + PATIENCE;
    loop {
        let command = doc! {
            "aggregate": 1,
            "pipeline": [
                { "$currentOp": { "idleCursors": true, "allUsers": true } },
                { "$match": { "cursor": { "$exists": true }, "ns": { "$regex": &namespace } } },
                { "$count": "count" },
            ],
            "cursor": {},
        };
        let reply = admin.run_command(command).await.unwrap();
        let batch = reply
            .get_document("cursor")
            .unwrap()
            .get_array("firstBatch")
            .unwrap();
        let count = batch
            .first()
            .map_or(0, |line| line.as_document().unwrap().get_i32("count").unwrap());
        if is_wanted(usize::try_from(count).unwrap()) {
            return;
        }
        assert!(Instant::now() < deadline, "{count} cursors are open");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_standalone_server_is_refused_with_a_helpful_message() {
    let server = MongoServer::start_as(Topology::Standalone).await;
    let scene = Scene::at(&server.uri()).await;
    let start = Position::at_time(conduit_core::ClusterTime::new(1_700_000_000, 1));
    let error = scene
        .watcher
        .open(&[target("orders")], &start)
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind(), WatchErrorKind::Invalid);
    assert!(error.message().contains("replica set"), "{error}");
    assert_eq!(
        scene.watcher.now().await.err().unwrap().kind(),
        WatchErrorKind::Invalid
    );
}

#[tokio::test]
async fn an_unreachable_server_is_unavailable_and_no_password_is_told() {
    let uri = "mongodb://user:geheim@127.0.0.1:1/?serverSelectionTimeoutMS=200";
    let client = Client::with_uri_str(uri).await.unwrap();
    let watcher = MongoWatcher::new(client.database(&unique_database_name()));
    let start = Position::at_time(conduit_core::ClusterTime::new(1, 1));
    let error = watcher.open(&[target("orders")], &start).await.err().unwrap();
    assert_eq!(error.kind(), WatchErrorKind::Unavailable);
    assert!(!format!("{error:?} {watcher:?}").contains("geheim"));
}

#[tokio::test]
async fn streams_that_would_mix_stored_and_looked_up_images_are_refused() {
    let scene = Scene::new().await;
    let start = scene.now().await;
    let mixed = [target("a"), with_both_images("b")];
    let error = scene.watcher.open(&mixed, &start).await.err().unwrap();
    assert_eq!(error.kind(), WatchErrorKind::Invalid);
}

#[tokio::test]
async fn many_changes_come_complete_and_in_order_over_many_replies() {
    let scene = Scene::new().await;
    let start = scene.now().await;
    let settings = StreamSettings {
        batch_size: 100,
        await_time: Duration::from_millis(200),
    };
    let watcher = MongoWatcher::with_settings(scene.database.clone(), settings);
    for chunk in 0..10 {
        let documents = (0..250).map(|n| doc! { "_id": chunk * 250 + n });
        scene.collection("orders").insert_many(documents).await.unwrap();
    }
    let stream = watcher.open(&[target("orders")], &start).await.unwrap();
    let records = crate::scene::Reading {
        stream,
        position: start,
    }
    .records(2500)
    .await;
    for (n, record) in records.iter().enumerate() {
        assert_eq!(record.keys().as_ref(), format!("{{\"_id\":{n}}}").as_bytes());
    }
    scene.drop().await;
}
