//! Going on where another stream stopped.

use std::time::Duration;

use bson::{Bson, Decimal128, Timestamp, doc};
use conduit_core::{BatchLimits, ClusterTime, Position, WatchErrorKind, Watcher};
use conduit_testkit::servers::{MongoServer, Topology};
use mongodb::Client;
use tokio::time::Instant;

use crate::scene::{LIMITS, PATIENCE, Scene, target, with_both_images};

async fn insert_some(scene: &Scene, count: i32) {
    for n in 0..count {
        scene
            .collection("orders")
            .insert_one(doc! { "_id": n })
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_stream_goes_on_after_the_position_of_any_batch() {
    let scene = Scene::new().await;
    let start = scene.now().await;
    insert_some(&scene, 7).await;
    let all = scene.read(&target("orders"), &start, 7).await;
    let mut reading = scene.open(&[target("orders")], &start).await;
    let one = BatchLimits {
        max_records: 1,
        ..LIMITS
    };
    let mut done = 0;
    while done < 7 {
        done += reading.batch(one).await.unwrap().len();
        assert!(reading.position.token().is_some() || done == 0);
        let rest = scene.read(&target("orders"), &reading.position, 7 - done).await;
        let ids = |records: &[std::sync::Arc<conduit_core::Record>]| {
            records
                .iter()
                .map(|record| record.json().clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(&rest), ids(&all[done..]));
    }
    scene.drop().await;
}

#[tokio::test]
async fn a_stream_of_other_targets_goes_on_at_the_time_and_leaves_out_what_is_done() {
    let scene = Scene::new().await;
    let start = scene.now().await;
    insert_some(&scene, 5).await;
    let mut reading = scene.open(&[target("orders"), target("absent")], &start).await;
    let three = BatchLimits {
        max_records: 3,
        ..LIMITS
    };
    let mut done = 0;
    while done < 3 {
        done += reading
            .batch(BatchLimits {
                max_records: 3 - done,
                ..three
            })
            .await
            .unwrap()
            .len();
    }
    // The token's event is not to be seen by a stream of other collections, which refuses it.
    for other in [vec![target("orders")], vec![with_both_images("orders")]] {
        let records = scene.open(&other, &reading.position).await.records(2).await;
        assert_eq!(records[0].keys().as_ref(), br#"{"_id":3}"#);
    }
    scene
        .collection("absent")
        .insert_one(doc! { "_id": "x" })
        .await
        .unwrap();
    let records = scene.read(&target("absent"), &reading.position, 1).await;
    assert_eq!(records[0].keys().as_ref(), br#"{"_id":"x"}"#);
    scene.drop().await;
}

#[tokio::test]
async fn tokens_of_keys_of_every_type_of_number_are_found_again() {
    let scene = Scene::new().await;
    let start = scene.now().await;
    let orders = scene.collection("orders");
    let decimal: Decimal128 = "1.50".parse().unwrap();
    let ids: [Bson; 6] = [
        1i64.into(),
        2.0.into(),
        Bson::Decimal128(decimal),
        (-0.0).into(),
        true.into(),
        doc! { "a": 1i64 }.into(),
    ];
    for id in &ids {
        orders.insert_one(doc! { "_id": id }).await.unwrap();
    }
    let mut reading = scene.open(&[target("orders")], &start).await;
    let one = BatchLimits {
        max_records: 1,
        ..LIMITS
    };
    let mut done = 0;
    while done < ids.len() {
        done += reading.batch(one).await.unwrap().len();
        scene
            .read(&target("orders"), &reading.position, ids.len() - done)
            .await;
    }
    scene.drop().await;
}

#[tokio::test]
async fn a_stream_goes_on_in_the_middle_of_a_transaction() {
    let scene = Scene::new().await;
    let orders = scene.collection("orders");
    scene.database.create_collection("orders").await.unwrap();
    let start = scene.now().await;
    let mut session = scene.database.client().start_session().await.unwrap();
    session.start_transaction().await.unwrap();
    for n in 0..4 {
        orders
            .insert_one(doc! { "_id": n })
            .session(&mut session)
            .await
            .unwrap();
    }
    session.commit_transaction().await.unwrap();
    let all = scene.read(&target("orders"), &start, 4).await;
    assert!(all.iter().all(|record| record.time() == all[0].time()));
    assert!(all.is_sorted_by(|one, next| one.sequence() < next.sequence()));
    let mut reading = scene.open(&[target("orders")], &start).await;
    let two = BatchLimits {
        max_records: 2,
        ..LIMITS
    };
    let mut done = 0;
    while done < 2 {
        done += reading
            .batch(BatchLimits {
                max_records: 2 - done,
                ..two
            })
            .await
            .unwrap()
            .len();
    }
    for targets in [vec![target("orders")], vec![target("orders"), target("absent")]] {
        let rest = scene.open(&targets, &reading.position).await.records(2).await;
        assert_eq!(rest[0].event_id(), all[2].event_id());
        assert_eq!(rest[1].event_id(), all[3].event_id());
    }
    scene.drop().await;
}

#[tokio::test]
async fn an_idle_streams_position_moves_and_can_be_gone_on_from() {
    let scene = Scene::new().await;
    let start = scene.now().await;
    let mut reading = scene.open(&[target("orders")], &start).await;
    scene.collection("other").insert_one(doc! {}).await.unwrap();
    let time = scene.watcher.now().await.unwrap();
    reading.idle_until(|position| position.time() >= time).await;
    assert!(reading.position.token().is_some());
    scene
        .collection("orders")
        .insert_one(doc! { "_id": 1 })
        .await
        .unwrap();
    for targets in [vec![target("orders")], vec![target("orders"), target("absent")]] {
        scene.open(&targets, &reading.position).await.records(1).await;
    }
    scene.drop().await;
}

#[tokio::test]
async fn the_end_is_told_when_it_is_reached() {
    let scene = Scene::new().await;
    let start = scene.now().await;
    insert_some(&scene, 3).await;
    let mut reading = scene.open(&[target("orders")], &start).await;
    let mut done = 0;
    loop {
        let batch = reading
            .stream
            .next_batch(BatchLimits {
                max_records: 1,
                ..LIMITS
            })
            .await
            .unwrap();
        done += batch.records.len();
        assert!(done == 3 || !batch.reached_end, "the end is not after {done}");
        if batch.reached_end {
            break;
        }
    }
    scene.drop().await;
}

#[tokio::test]
async fn a_batch_keeps_to_its_limits_and_brings_a_larger_record_alone() {
    let scene = Scene::new().await;
    let start = scene.now().await;
    let documents = (0..20).map(|n| doc! { "_id": n, "pad": "x".repeat(if n == 10 { 9000 } else { 700 }) });
    scene.collection("orders").insert_many(documents).await.unwrap();
    let mut reading = scene.open(&[target("orders")], &start).await;
    let limits = BatchLimits {
        max_records: 4,
        max_bytes: 3500,
        ..LIMITS
    };
    let mut sizes = Vec::new();
    let mut keys = Vec::new();
    while sizes.iter().sum::<usize>() < 20 {
        let records = reading.batch(limits).await.unwrap();
        let bytes: usize = records.iter().map(|record| record.size()).sum();
        assert!(
            records.len() <= 3 && (bytes <= 3500 || records.len() == 1),
            "{records:?} of {bytes} bytes"
        );
        keys.extend(
            records
                .iter()
                .map(|record| String::from_utf8(record.keys().to_vec()).unwrap()),
        );
        sizes.push(records.len());
    }
    assert!(sizes.contains(&3));
    assert_eq!(
        keys,
        (0..20).map(|n| format!("{{\"_id\":{n}}}")).collect::<Vec<_>>()
    );
    scene.drop().await;
}

#[tokio::test]
async fn a_call_takes_no_longer_than_its_limits_say() {
    let scene = Scene::new().await;
    let start = scene.now().await;
    let mut reading = scene.open(&[target("orders")], &start).await;
    let limits = BatchLimits {
        max_wait: Duration::from_millis(20),
        ..LIMITS
    };
    for _ in 0..5 {
        let batch = tokio::time::timeout(Duration::from_secs(5), reading.batch(limits)).await;
        assert!(batch.unwrap().unwrap().is_empty());
    }
    scene.drop().await;
}

#[tokio::test]
async fn a_position_that_the_oplog_no_longer_holds_is_lost_history() {
    let server = MongoServer::start_as(Topology::SmallOplog).await;
    let scene = Scene::at(&server.uri()).await;
    let by_time = scene.now().await;
    let mut reading = scene.open(&[target("orders")], &by_time).await;
    insert_some(&scene, 1).await;
    reading.records(1).await;
    let by_token = reading.position.clone();
    drop(reading);
    // A server that has its history from the beginning takes any time, even one long ago.
    let pad = "x".repeat(1 << 20);
    let deadline = Instant::now() + PATIENCE;
    for position in [by_time, by_token, Position::at_time(ClusterTime::new(1, 1))] {
        let error = loop {
            assert!(Instant::now() < deadline, "the history is still there");
            scene
                .collection("other")
                .insert_one(doc! { "pad": &pad })
                .await
                .unwrap();
            if let Err(error) = scene.watcher.open(&[target("orders")], &position).await {
                break error;
            }
        };
        assert_eq!(error.kind(), WatchErrorKind::HistoryLost, "{error:?}");
    }
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_by_its_time() {
    let scene = Scene::new().await;
    let start = scene.now().await;
    insert_some(&scene, 2).await;
    let mut reading = scene.open(&[target("orders")], &start).await;
    reading.records(2).await;
    // Not a token at all, but with this stream's own fingerprint.
    let broken = Position::after(start.time(), "82zz", reading.position.stream().clone());
    let records = scene.read(&target("orders"), &broken, 2).await;
    assert_eq!(records.len(), 2);
    scene.drop().await;
}

#[tokio::test]
async fn a_position_of_another_cluster_is_refused() {
    let scene = Scene::new().await;
    let mut reading = scene.open(&[target("orders")], &scene.now().await).await;
    reading.idle_until(|position| position.token().is_some()).await;
    let identity = conduit_core::StreamIdentity {
        source: "id:000000000000000000000000".into(),
        options: reading.position.stream().options.clone(),
    };
    let foreign = Position::after(reading.position.time(), "82", std::sync::Arc::new(identity));
    let error = scene
        .watcher
        .open(&[target("orders")], &foreign)
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind(), WatchErrorKind::Invalid);
    assert!(error.message().contains("another cluster"), "{error}");
    scene.drop().await;
}

#[tokio::test]
async fn what_was_acknowledged_before_now_is_not_after_it() {
    let scene = Scene::new().await;
    for n in 0..50 {
        let insert = doc! { "insert": "orders", "documents": [{ "_id": n }] };
        let reply = scene.database.run_command(insert).await.unwrap();
        let Timestamp { time, increment } = reply.get_timestamp("operationTime").unwrap();
        // Another connection, another client.
        let client = Client::with_uri_str(conduit_testkit::servers::shared_mongodb_uri().await)
            .await
            .unwrap();
        let watcher = conduit_mongo::MongoWatcher::new(client.database(scene.database.name()));
        assert!(watcher.now().await.unwrap() >= ClusterTime::new(time, increment));
    }
    scene.drop().await;
}
