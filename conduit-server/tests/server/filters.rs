//! Filters of destinations.

use bson::{Bson, DateTime, doc};
use conduit_testkit::receiver::{Received, Receiver};
use serde_json::{Value, json};

use crate::harness::{World, faulty_fields, insert, streaming};

fn filtered(name: &str, receiver: &Receiver, pattern: Value) -> Value {
    let mut body = streaming(name, receiver);
    body["destinations"][0]["filter_criteria"] = pattern;
    body
}

fn ids(received: &[impl AsRef<Received>]) -> Vec<Value> {
    let id = |request: &Received| request.json()["keys"]["_id"].clone();
    received.iter().map(|request| id(request.as_ref())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_match_is_counted_and_never_comes_again() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let server = world.start("run").await;
    let pattern = json!({"new_image": {"value": [{"numeric": [">=", 10]}]}});
    server.api.create(filtered("orders", &receiver, pattern)).await;
    let orders = world.collection("orders");
    for value in 0..20 {
        insert(&orders, &format!("o{value:02}"), value).await;
    }
    let is_done = |status: &Value| {
        status["delivered"] == 10 && status["filtered"] == 10 && status["lag_seconds"] == 0.0
    };
    server.api.until_status("orders", "d", is_done).await;
    // The last ones do not match: the position is past them all the same.
    for value in 0..5 {
        insert(&orders, &format!("low-{value}"), value).await;
    }
    server
        .api
        .until_status("orders", "d", |status| {
            status["filtered"] == 15 && status["lag_seconds"] == 0.0
        })
        .await;
    assert!(server.stop().await.success());
    // Were it not, they would come now that nothing is filtered any more.
    let api = world.start("api").await;
    let mut open = streaming("orders", &receiver);
    open["destinations"][0]["filter_criteria"] = Value::Null;
    api.api
        .expect(200, "PUT", "/api/collections/orders", Some(open))
        .await;
    assert!(api.stop().await.success());
    let server = world.start("run").await;
    insert(&orders, "last", 0).await;
    let received = receiver.wait_for(11).await;
    let mut wanted: Vec<Value> = (10..20).map(|value| json!(format!("o{value:02}"))).collect();
    wanted.push(json!("last"));
    let mut got = ids(&received);
    got[..10].sort_by_key(ToString::to_string);
    assert_eq!(got, wanted);
    server
        .api
        .until_status("orders", "d", |status| {
            status["delivered"] == 1 && status["lag_seconds"] == 0.0
        })
        .await;
    assert!(server.stop().await.success());
    assert_eq!(receiver.received().len(), 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_filter_keeps_the_position() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let server = world.start("run").await;
    let high = json!({"new_image": {"value": [{"numeric": [">=", 10]}]}});
    server.api.create(filtered("orders", &receiver, high)).await;
    let orders = world.collection("orders");
    insert(&orders, "a", 10).await;
    insert(&orders, "b", 0).await;
    server
        .api
        .until_status("orders", "d", |status| {
            status["filtered"] == 1 && status["lag_seconds"] == 0.0
        })
        .await;
    server
        .api
        .expect(200, "POST", "/api/collections/orders/pause", None)
        .await;
    server
        .api
        .until_status("orders", "d", |status| status["state"] == "paused")
        .await;
    insert(&orders, "c", 1).await;
    insert(&orders, "d", 11).await;
    let mut shown = server.api.get("/api/collections/orders").await;
    shown["destinations"][0]["filter_criteria"] = json!({"newImage": {"value": [{"numeric": ["<", 10]}]}});
    server
        .api
        .patch("orders", json!({"destinations": shown["destinations"]}))
        .await;
    server
        .api
        .expect(200, "POST", "/api/collections/orders/resume", None)
        .await;
    // The changes of the pause are judged by the new filter, and none before it is seen again.
    receiver.wait_for(2).await;
    insert(&orders, "e", 2).await;
    let received = receiver.wait_for(3).await;
    assert_eq!(ids(&received), ["a", "c", "e"]);
    assert!(server.stop().await.success());
    assert_eq!(receiver.received().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_is_shown_as_given_and_taken_back_as_shown() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let server = world.start("api").await;
    let path = "/api/collections/orders";
    let pattern = r#"{"oldImage":{"z":[{"exists":true}]},"new_image":{"b":["x",null,"",9007199254740993,1.5,300.0],"a":{"$or":[{"c":[{"anything-but":{"suffix":[".a",".b"]}}]},{"d":[{"prefix":{"equals-ignore-case":"É"}}]}]}}}"#;
    let body = format!(
        r#"{{"collection_name": "orders", "old_image": true, "destinations": [
            {{"id": "d", "type": "http", "endpoint": "{}", "filter_criteria": {pattern}}}]}}"#,
        receiver.url()
    );
    let (status, text) = server
        .api
        .try_text("POST", "/api/collections", "application/json", body.into_bytes())
        .await
        .unwrap();
    assert_eq!(status.as_u16(), 201, "{text}");
    let shown = async || server.api.try_text("GET", path, "", Vec::new()).await.unwrap().1;
    let first = shown().await;
    assert!(
        first.contains(&format!(r#""filter_criteria":{pattern}"#)),
        "{first}"
    );
    for method in ["PUT", "PATCH"] {
        let (status, text) = server
            .api
            .try_text(method, path, "application/json", first.clone().into_bytes())
            .await
            .unwrap();
        assert_eq!(status.as_u16(), 200, "{text}");
        assert_eq!(shown().await, first, "after {method}");
    }
    let destination = |pattern: Value| json!({"destinations": [{"id": "d", "type": "http", "endpoint": receiver.url(), "filter_criteria": pattern}]});
    let other = json!({"newImage": {"a": [1]}});
    server.api.patch("orders", destination(other.clone())).await;
    assert_eq!(
        server.api.get(path).await["destinations"][0]["filter_criteria"],
        other
    );
    server.api.patch("orders", destination(Value::Null)).await;
    assert_eq!(
        server.api.get(path).await["destinations"][0]["filter_criteria"],
        Value::Null
    );
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_on_old_images_needs_them_and_sees_the_change() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let server = world.start("run").await;
    let pattern =
        json!({"new_image": {"status": ["paid"]}, "old_image": {"status": [{"anything-but": ["paid"]}]}});
    let mut body = filtered("orders", &receiver, pattern);
    for pattern in [
        body["destinations"][0]["filter_criteria"].clone(),
        json!({"oldImage": {"a": [1]}}),
        json!({"$or": [{"new_image": {"a": [1]}}, {"old_image": {"a": [1]}}]}),
    ] {
        let without = filtered("orders", &receiver, pattern);
        let answer = server
            .api
            .expect(400, "POST", "/api/collections", Some(without))
            .await;
        assert_eq!(faulty_fields(&answer), ["destinations[0].filter_criteria"]);
    }
    body["old_image"] = json!(true);
    server.api.create(body).await;
    for patch in [json!({"old_image": false}), json!({"old_image": null})] {
        let answer = server
            .api
            .expect(400, "PATCH", "/api/collections/orders", Some(patch))
            .await;
        assert_eq!(faulty_fields(&answer), ["destinations[0].filter_criteria"]);
    }
    let orders = world.collection("orders");
    let set = async |status: &str, total: i32| {
        let update = doc! {"$set": {"status": status, "total": total}};
        orders.update_one(doc! {"_id": "o"}, update).await.unwrap();
    };
    orders
        .insert_one(doc! {"_id": "o", "status": "open"})
        .await
        .unwrap();
    set("paid", 1).await;
    set("paid", 2).await;
    set("open", 3).await;
    set("paid", 4).await;
    orders.delete_one(doc! {"_id": "o"}).await.unwrap();
    server
        .api
        .until_status("orders", "d", |status| {
            status["delivered"] == 2 && status["filtered"] == 4 && status["lag_seconds"] == 0.0
        })
        .await;
    let totals: Vec<Value> = receiver
        .received()
        .iter()
        .map(|request| request.json()["newImage"]["total"].clone())
        .collect();
    assert_eq!(totals, [1, 4]);
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_matches_what_must_not_be_there() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let server = world.start("run").await;
    let pattern = json!({"newImage": {"_id": [{"exists": false}]}});
    server.api.create(filtered("orders", &receiver, pattern)).await;
    let orders = world.collection("orders");
    insert(&orders, "a", 1).await;
    orders
        .update_one(doc! {"_id": "a"}, doc! {"$set": {"value": 2}})
        .await
        .unwrap();
    // Only once both were looked at: the image of an update is looked up, and none is there once the document is gone.
    server
        .api
        .until_status("orders", "d", |status| status["filtered"] == 2)
        .await;
    orders.delete_one(doc! {"_id": "a"}).await.unwrap();
    let received = receiver.wait_for(1).await;
    assert_eq!(received[0].json()["recordType"], "REMOVE");
    server
        .api
        .until_status("orders", "d", |status| {
            status["delivered"] == 1 && status["filtered"] == 2 && status["lag_seconds"] == 0.0
        })
        .await;
    assert!(server.stop().await.success());
}

/// With both: types are chosen and the pattern asked, and a record is counted once.
#[tokio::test(flavor = "multi_thread")]
async fn event_types_and_a_pattern_must_both_allow_a_record() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let server = world.start("run").await;
    let mut body = filtered(
        "orders",
        &receiver,
        json!({"new_image": {"value": [{"numeric": [">", 0]}]}}),
    );
    body["destinations"][0]["event_types"] = json!(["INSERT"]);
    server.api.create(body).await;
    let orders = world.collection("orders");
    insert(&orders, "a", 0).await;
    insert(&orders, "b", 1).await;
    orders
        .update_one(doc! {"_id": "b"}, doc! {"$set": {"value": 2}})
        .await
        .unwrap();
    orders.delete_one(doc! {"_id": "b"}).await.unwrap();
    server
        .api
        .until_status("orders", "d", |status| {
            status["delivered"] == 1 && status["filtered"] == 3 && status["lag_seconds"] == 0.0
        })
        .await;
    assert_eq!(ids(&receiver.received()), ["b"]);
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_see_the_json_form_whatever_the_records_have() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let server = world.start("run").await;
    let pattern = json!({
        "new_image": {"n": [{"numeric": [">", 100]}], "at": [{"prefix": "2026-"}], "price": ["9.90"]},
        "old_image": {"n": [{"numeric": ["<=", 100]}]},
    });
    let mut body = filtered("orders", &receiver, pattern);
    body["old_image"] = json!(true);
    body["image_format"] = json!("extjson");
    server.api.create(body).await;
    let orders = world.collection("orders");
    let price: bson::Decimal128 = "9.90".parse().unwrap();
    let document = doc! {
        "_id": 1_i64, "n": 100_i64, "at": DateTime::from_millis(1_795_380_247_402), "price": Bson::Decimal128(price),
    };
    orders.insert_one(document).await.unwrap();
    for n in [101_i64, 102] {
        orders
            .update_one(doc! {"_id": 1_i64}, doc! {"$set": {"n": n}})
            .await
            .unwrap();
    }
    server
        .api
        .until_status("orders", "d", |status| {
            status["delivered"] == 1 && status["filtered"] == 2 && status["lag_seconds"] == 0.0
        })
        .await;
    let received = receiver.received();
    let record = received[0].json();
    assert_eq!(
        record["newImage"],
        json!({
            "_id": {"$numberLong": "1"}, "n": {"$numberLong": "101"},
            "at": {"$date": {"$numberLong": "1795380247402"}}, "price": {"$numberDecimal": "9.90"},
        })
    );
    assert_eq!(record["oldImage"]["n"], json!({"$numberLong": "100"}));
    assert!(server.stop().await.success());
}
