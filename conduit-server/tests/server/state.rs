use conduit_testkit::receiver::{Answer, Ledger, Receiver};
use serde_json::json;

use crate::harness::{World, insert, streaming};

#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_file_serves_in_place_of_redis() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let path = world.folder.path().join("deep/state.redb");
    let state = format!("embedded:{}", path.display());
    let variables = [("CONDUIT_STATE", state.as_str()), ("REDIS_URI", "")];
    let server = world.start_with("run", &variables).await;
    server.api.create(streaming("orders", &receiver)).await;
    let orders = world.collection("orders");
    insert(&orders, "a", 1).await;
    receiver.wait_for(1).await;
    server
        .api
        .until_status("orders", "d", |status| status["lag_seconds"] == 0.0)
        .await;
    server.kill().await;
    insert(&orders, "b", 1).await;
    let server = world.start_with("run", &variables).await;
    let received = receiver
        .wait_until(|all| all.iter().any(|r| r.json()["keys"]["_id"] == "b"))
        .await;
    Ledger::of_acknowledged(&received).assert_clean();
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_goes_away_and_comes_back_costs_waiting_only() {
    let mut world = World::new().await;
    let receiver = Receiver::start().await;
    let server = world.start("run").await;
    server.api.create(streaming("orders", &receiver)).await;
    let orders = world.collection("orders");
    for number in 0..100 {
        insert(&orders, &format!("k{number}"), number).await;
    }
    world.redis.stop().await.unwrap();
    for number in 100..200 {
        insert(&orders, &format!("k{number}"), number).await;
    }
    // A configuration change stands without Redis.
    server
        .api
        .patch("orders", json!({"deletion_protection": true}))
        .await;
    world.redis.restart().await.unwrap();
    receiver.wait_for_events(200, crate::harness::PATIENCE).await;
    server.until_ready().await;
    server
        .api
        .until_status("orders", "d", |status| status["lag_seconds"] == 0.0)
        .await;
    assert!(server.stop().await.success());
    let ledger = Ledger::of_acknowledged(&receiver.received());
    ledger.assert_clean();
    assert_eq!((ledger.count(), ledger.repeats()), (200, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_worker_of_the_same_host_is_replaced_at_once() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let api = world.start("api").await;
    // A lease so long that waiting for its end would fail the test.
    let variables = [("LEASE_TIME", "10m")];
    let worker = world.start_with("worker", &variables).await;
    api.api.create(streaming("orders", &receiver)).await;
    let orders = world.collection("orders");
    insert(&orders, "a", 1).await;
    receiver.wait_for(1).await;
    worker.kill().await;
    insert(&orders, "b", 1).await;
    let worker = world.start_with("worker", &variables).await;
    receiver
        .wait_until(|all| all.iter().any(|r| r.json()["keys"]["_id"] == "b"))
        .await;
    let second = world.start_with("worker", &variables).await;
    assert!(second.stop().await.success(), "one that only waits stops at once");
    assert!(worker.stop().await.success());
    api.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_records_outlive_a_crash_in_order() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    receiver.answer_with(|_| Answer::Status(503));
    let server = world.start("run").await;
    server.api.create(streaming("orders", &receiver)).await;
    let orders = world.collection("orders");
    insert(&orders, "k", 0).await;
    server
        .api
        .until_status("orders", "d", |status| status["retry_length"] == 1)
        .await;
    for value in 1..20_i64 {
        let update = bson::doc! {"$set": {"value": value}};
        orders.update_one(bson::doc! {"_id": "k"}, update).await.unwrap();
    }
    server
        .api
        .until_status("orders", "d", |status| status["retry_length"] == 20)
        .await;
    // The status may be ahead of the commit by its interval.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    server.kill().await;
    receiver.answer_with(|_| Answer::Status(200));
    let server = world.start("run").await;
    insert(&orders, "other", 0).await;
    let received = receiver
        .wait_until(|all| all.iter().filter(|r| r.is_acknowledged()).count() >= 21)
        .await;
    let ledger = Ledger::of_acknowledged(&received);
    ledger.assert_clean();
    assert_eq!((ledger.count(), ledger.repeats()), (21, 0));
    assert!(server.stop().await.success());
}
