use bson::doc;
use conduit_testkit::receiver::{Ledger, Receiver};
use serde_json::{Value, json};

use crate::forms::Form;
use crate::harness::{PATIENCE, World, insert, streaming};

fn of(received: &[std::sync::Arc<conduit_testkit::receiver::Received>], collection: &str) -> usize {
    received
        .iter()
        .filter(|request| request.json()["tableName"] == collection)
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_stream_delivers_nothing_survives_a_crash_and_goes_on_where_it_stood() {
    for form in Form::ALL {
        let world = World::new().await;
        let receiver = Receiver::start().await;
        let server = form.start(&world).await;
        server.api().create(streaming("orders", &receiver)).await;
        server.api().create(streaming("other", &receiver)).await;
        let (orders, other) = (world.collection("orders"), world.collection("other"));
        insert(&orders, "a", 1).await;
        receiver.wait_for(1).await;
        let pause = "/api/collections/orders/pause";
        let status = server.api().expect(200, "POST", pause, None).await;
        let paused = &status["destinations"][0];
        assert_eq!(
            (&paused["state"], &paused["reason"]),
            (&json!("paused"), &Value::Null),
            "{form:?} {status}"
        );
        assert_eq!(
            status["destinations"][0],
            server.api().get("/api/collections/orders/status").await["destinations"][0]
        );
        insert(&orders, "b", 1).await;
        orders
            .update_one(doc! {"_id": "a"}, doc! {"$set": {"value": 2}})
            .await
            .unwrap();
        insert(&other, "x", 1).await;
        let received = receiver.wait_until(|all| of(all, "other") == 1).await;
        assert_eq!(of(&received, "orders"), 1, "{form:?}");
        // What is not a part of the configuration is not shown as one, and a change of it leaves the pause alone.
        let shown = server.api().get("/api/collections/orders").await;
        assert_eq!(shown.get("paused"), None);
        server
            .api()
            .expect(200, "PUT", "/api/collections/orders", Some(shown))
            .await;

        server.kill().await;
        let server = form.start(&world).await;
        let status = server
            .api()
            .until_status("orders", "d", |status| {
                status["state"] == "paused" && status["position_time"].is_string()
            })
            .await;
        assert_eq!(status["lag_seconds"], Value::Null, "{form:?} {status}");
        insert(&other, "y", 1).await;
        let received = receiver.wait_until(|all| of(all, "other") == 2).await;
        assert_eq!(of(&received, "orders"), 1, "{form:?}");
        let resume = "/api/collections/orders/resume?destination=d";
        let status = server.api().expect(200, "POST", resume, None).await;
        assert_ne!(status["destinations"][0]["state"], "paused", "{form:?}");
        let received = receiver.wait_for_events(5, PATIENCE).await;
        let ledger = Ledger::of_acknowledged(&received);
        ledger.assert_clean();
        assert_eq!(ledger.of_key("orders", &json!({"_id": "a"})).len(), 2);
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_destination_is_paused_alone_and_wrong_requests_change_nothing() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let server = world.start("run").await;
    let mut body = streaming("orders", &receiver);
    body["destinations"]
        .as_array_mut()
        .unwrap()
        .push(json!({"id": "e", "type": "http", "endpoint": format!("{}/e", receiver.url())}));
    server.api.create(body).await;
    let path = "/api/collections/orders/pause";
    let missing = server
        .api
        .expect(404, "POST", &format!("{path}?destination=f"), None)
        .await;
    assert_eq!(missing["code"], "destination_not_found");
    server
        .api
        .expect(404, "POST", "/api/collections/nothing/pause", None)
        .await;
    let wrong = server
        .api
        .expect(400, "POST", &format!("{path}?dest=e"), None)
        .await;
    assert_eq!(wrong["errors"][0]["field"], "dest");
    for _ in 0..2 {
        server
            .api
            .expect(200, "POST", &format!("{path}?destination=e"), None)
            .await;
    }
    insert(&world.collection("orders"), "a", 1).await;
    let received = receiver.wait_for(1).await;
    assert_eq!(received[0].target(), "/");
    server
        .api
        .until_status("orders", "e", |status| status["state"] == "paused")
        .await;

    // A stream that is off has no position to keep; turned on again it starts now, not paused.
    server.api.patch("orders", json!({"stream_enabled": false})).await;
    let refused = server.api.expect(409, "POST", path, None).await;
    assert_eq!(refused["code"], "stream_disabled");
    server.api.patch("orders", json!({"stream_enabled": true})).await;
    insert(&world.collection("orders"), "b", 1).await;
    let received = receiver.wait_for(3).await;
    let of_e: Vec<&Value> = received
        .iter()
        .filter(|request| request.target() == "/e")
        .map(|request| &request.json()["keys"]["_id"])
        .collect();
    assert_eq!(of_e, ["b"]);
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_without_redis_or_worker_stands() {
    let mut world = World::new().await;
    let receiver = Receiver::start().await;
    let api = world.start("api").await;
    api.api.create(streaming("orders", &receiver)).await;
    world.redis.stop().await.unwrap();
    let status = api
        .api
        .expect(200, "POST", "/api/collections/orders/pause", None)
        .await;
    assert_eq!(status["destinations"][0]["state"], "paused", "{status}");
    world.redis.restart().await.unwrap();
    insert(&world.collection("orders"), "a", 1).await;
    let worker = world.start("worker").await;
    api.api
        .until_status("orders", "d", |status| {
            status["state"] == "paused" && status["since"].is_string()
        })
        .await;
    assert!(receiver.received().is_empty());
    api.api
        .expect(200, "POST", "/api/collections/orders/resume", None)
        .await;
    receiver.wait_for(1).await;
    assert!(api.stop().await.success() && worker.stop().await.success());
}
