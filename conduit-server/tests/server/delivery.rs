use std::sync::Arc;
use std::time::Duration;

use bson::doc;
use conduit_testkit::receiver::{Answer, Ledger, Received, Receiver};
use serde_json::{Value, json};

use crate::harness::{PATIENCE, World, insert, streaming};

#[tokio::test(flavor = "multi_thread")]
async fn insert_update_and_delete_arrive_as_records_with_both_images() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let server = world.start("run").await;
    let mut body = streaming("users", &receiver);
    body["old_image"] = json!(true);
    body["primary_key"] = json!("id");
    server.api.create(body).await;
    let users = world.collection("users");
    users
        .insert_one(doc! {"_id": 1, "id": "USER#1", "n": 1_i64})
        .await
        .unwrap();
    users
        .update_one(doc! {"_id": 1}, doc! {"$set": {"n": 2.5}})
        .await
        .unwrap();
    users
        .update_one(doc! {"_id": 1}, doc! {"$set": {"id": "USER#2"}})
        .await
        .unwrap();
    users.delete_one(doc! {"_id": 1}).await.unwrap();
    let show = |all: &[Arc<Received>], key: &str| -> Vec<Value> {
        let of_key = all
            .iter()
            .map(|request| request.json())
            .filter(|record| record["keys"]["id"] == key);
        of_key
            .map(|record| {
                json!([
                    record["recordType"],
                    record["oldImage"]["n"],
                    record["newImage"]["n"]
                ])
            })
            .collect()
    };
    let received = receiver.wait_for_events(5, PATIENCE).await;
    // A change of the key is a removal of the old and an insertion of the new; order holds within a key.
    let (first, second) = (show(&received, "USER#1"), show(&received, "USER#2"));
    assert_eq!(
        first,
        [
            json!(["INSERT", null, 1]),
            json!(["MODIFY", 1, 2.5]),
            json!(["REMOVE", 2.5, null])
        ]
    );
    assert_eq!(
        second,
        [json!(["INSERT", null, 2.5]), json!(["REMOVE", 2.5, null])]
    );
    let first = &received[0];
    assert_eq!(first.header("webhook-id"), first.json()["eventID"].as_str());
    assert_eq!(first.header("content-type"), Some("application/json"));
    assert!(first.header("user-agent").unwrap().starts_with("conduit/"));
    Ledger::of_acknowledged(&received).assert_clean();
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_record_is_tried_six_times_and_becomes_a_dead_letter_while_others_arrive() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    receiver.answer_with(|request| {
        let is_bad = request.json()["newImage"]["value"] == -1;
        Answer::Status(if is_bad { 500 } else { 204 })
    });
    let server = world.start("run").await;
    server.api.create(streaming("orders", &receiver)).await;
    let orders = world.collection("orders");
    insert(&orders, "bad", -1).await;
    for value in 0..500 {
        insert(&orders, &format!("good-{value}"), value).await;
    }
    for value in 1..=3 {
        orders
            .update_one(doc! {"_id": "bad"}, doc! {"$set": {"value": value}})
            .await
            .unwrap();
    }
    let good = |request: &Received| request.json()["keys"]["_id"] != "bad";
    receiver
        .wait_until(|all| all.iter().filter(|request| good(request)).count() == 500)
        .await;
    let letter = loop {
        let page = server.api.get("/api/collections/orders/dlq").await;
        if let Some(letter) = page["items"].get(0) {
            break letter.clone();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let received = receiver
        .wait_until(|all| all.iter().filter(|request| !good(request)).count() == 9)
        .await;
    let bad: Vec<_> = received.iter().filter(|request| !good(request)).collect();
    for (attempt, wanted) in [0.0, 1.0, 3.0, 7.0, 15.0, 31.0].into_iter().enumerate() {
        let after = (bad[attempt].at() - bad[0].at()).as_secs_f64();
        // On the schedule; the slack above it is for a busy machine.
        assert!(
            after >= 0.9 * wanted && after <= 1.1 * wanted + 0.5,
            "attempt {attempt} after {after} s"
        );
        assert_eq!(bad[attempt].json()["recordType"], "INSERT");
    }
    let values: Vec<i64> = bad[6..]
        .iter()
        .map(|r| r.json()["newImage"]["value"].as_i64().unwrap())
        .collect();
    // Images are looked up soon after the change, so one may be newer than its own change, never older.
    assert!(values.is_sorted() && values[2] == 3, "{values:?}");
    assert_eq!(letter["attempts"], 6);
    assert_eq!(letter["destination"], "d");
    assert_eq!(letter["record"], *bad[0].json());
    assert!(
        letter["last_error"].as_str().unwrap().contains("HTTP 500"),
        "{letter}"
    );
    let status = server
        .api
        .until_status("orders", "d", |status| status["dlq_length"] == 1)
        .await;
    assert_eq!(status["dead_lettered"], 1);
    Ledger::of_acknowledged(&receiver.received()).assert_clean();
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_in_redis_is_as_documented() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    receiver.answer_with(|request| {
        let status = if request.json()["keys"]["_id"] == "waits" {
            500
        } else {
            204
        };
        Answer::Status(status)
    });
    let server = world.start("run").await;
    let mut body = streaming("users", &receiver);
    body["destinations"].as_array_mut().unwrap().push(
        json!({"id": "never", "type": "http", "endpoint": format!("{}/never", receiver.url()), "max_retries": 0}),
    );
    server.api.create(body).await;
    let users = world.collection("users");
    insert(&users, "a", 1).await;
    insert(&users, "waits", 1).await;
    users.delete_one(doc! {"_id": "a"}).await.unwrap();
    server
        .api
        .until_status("users", "d", |status| status["retry_length"] == 1)
        .await;
    server
        .api
        .until_status("users", "never", |status| status["dlq_length"] == 1)
        .await;
    receiver
        .wait_until(|all| all.iter().filter(|request| request.is_acknowledged()).count() >= 4)
        .await;
    let client = redis::Client::open(world.redis.uri()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    for (key, kind) in [
        ("cdc:resume:users", "string"),
        ("cdc:resume:users:d", "string"),
        ("cdc:resume:users:never", "string"),
        ("cdc:retry:users", "zset"),
        ("cdc:dlq:users", "list"),
        ("cdc:lease:users", "hash"),
    ] {
        let got: String = redis::cmd("TYPE").arg(key).query_async(&mut redis).await.unwrap();
        assert_eq!(got, kind, "{key}");
        let ttl: i64 = redis::cmd("TTL").arg(key).query_async(&mut redis).await.unwrap();
        assert_eq!(ttl, -1, "{key} has no TTL");
    }
    for pattern in ["cdc:processed:users:INSERT:*-d", "cdc:processed:*:REMOVE:*-never"] {
        // An acknowledgement is seen before it is committed.
        let keys = loop {
            let keys: Vec<String> = redis::cmd("KEYS")
                .arg(pattern)
                .query_async(&mut redis)
                .await
                .unwrap();
            if !keys.is_empty() {
                break keys;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert_eq!(keys.len(), 1, "{pattern}: {keys:?}");
        let ttl: i64 = redis::cmd("TTL")
            .arg(&keys[0])
            .query_async(&mut redis)
            .await
            .unwrap();
        assert!((86_000..=86_400).contains(&ttl), "{ttl}");
    }
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_speak_of_every_destination() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let server = world.start("run").await;
    server.api.create(streaming("users", &receiver)).await;
    insert(&world.collection("users"), "a", 1).await;
    server
        .api
        .until_status("users", "d", |status| {
            status["delivered"] == 1 && status["lag_seconds"] == 0.0
        })
        .await;
    let (_, text) = server
        .api
        .try_text("GET", "/metrics", "", Vec::new())
        .await
        .unwrap();
    for line in [
        "conduit_watchers_active 1",
        "conduit_change_streams_open 1",
        "conduit_records_total{collection=\"users\",destination=\"d\",outcome=\"delivered\"} 1",
        "conduit_retry_queue_length{collection=\"users\",destination=\"d\"} 0",
        "conduit_dlq_length{collection=\"users\",destination=\"d\"} 0",
        "conduit_lag_seconds{collection=\"users\",destination=\"d\"} 0",
        "conduit_delivery_duration_seconds_count 1",
        "conduit_end_to_end_seconds_count 1",
    ] {
        assert!(
            text.lines().any(|known| known == line),
            "{line} is missing in\n{text}"
        );
    }
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_speak_of_the_dead_letters_of_a_stream_that_is_off() {
    let mut world = World::new().await;
    let receiver = Receiver::start().await;
    receiver.answer_with(|_| Answer::Status(500));
    let server = world.start("run").await;
    let mut body = streaming("users", &receiver);
    body["destinations"][0]["max_retries"] = json!(0);
    server.api.create(body).await;
    insert(&world.collection("users"), "a", 1).await;
    server
        .api
        .until_status("users", "d", |status| status["dlq_length"] == 1)
        .await;
    server.api.patch("users", json!({"stream_enabled": false})).await;
    let dead = "conduit_dlq_length{collection=\"users\",destination=\"d\"} 1";
    let waiting = "conduit_retry_queue_length{collection=\"users\",destination=\"d\"} 0";
    let metrics = async || {
        server
            .api
            .try_text("GET", "/metrics", "", Vec::new())
            .await
            .unwrap()
    };
    loop {
        let status = server.api.get("/api/collections/users/status").await;
        let text = metrics().await.1;
        let is_off =
            status["destinations"][0]["state"] == "disabled" && text.contains("conduit_watchers_active 0");
        if is_off && text.contains(dead) && text.contains(waiting) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Without Redis they are left out, and nothing else is.
    world.redis.stop().await.unwrap();
    loop {
        let (status, text) = metrics().await;
        assert!(status.is_success() && text.contains("conduit_watchers_active 0"));
        if !text.contains("conduit_dlq_length{") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(server.stop().await.success());
}

/// Each change stream holds a connection while it waits; with the driver's ten for all, streams and requests waited for
/// each other.
#[tokio::test(flavor = "multi_thread")]
async fn forty_streams_in_one_process_do_not_wait_for_each_other() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let server = world.start("run").await;
    for number in 0..40 {
        let name = format!("c{number}");
        server.api.create(streaming(&name, &receiver)).await;
        insert(&world.collection(&name), "a", number).await;
        receiver.wait_for(usize::try_from(number).unwrap() + 1).await;
    }
    for number in 0..40 {
        insert(&world.collection(&format!("c{number}")), "b", number).await;
    }
    receiver.wait_for_events(80, PATIENCE).await;
    Ledger::of_acknowledged(&receiver.received()).assert_clean();
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_dropped_and_made_again_by_somebody_else_goes_on() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let server = world.start("run").await;
    server.api.create(streaming("orders", &receiver)).await;
    let orders = world.collection("orders");
    insert(&orders, "a", 1).await;
    receiver.wait_for(1).await;
    orders.drop().await.unwrap();
    insert(&orders, "b", 1).await;
    receiver.wait_for(2).await;
    world
        .database
        .client()
        .database("admin")
        .run_command(doc! {
            "renameCollection": format!("{}.orders", world.database.name()),
            "to": format!("{}.elsewhere", world.database.name()),
        })
        .await
        .unwrap();
    insert(&world.collection("elsewhere"), "c", 1).await;
    insert(&orders, "d", 1).await;
    let received = receiver.wait_for_events(3, PATIENCE).await;
    assert_eq!(received[2].json()["keys"]["_id"], "d");
    assert!(server.stop().await.success());
}
