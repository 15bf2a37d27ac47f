use bson::doc;
use conduit_testkit::receiver::{Answer, Ledger, Receiver};
use serde_json::json;

use crate::harness::{PATIENCE, World, insert, streaming};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_after_the_answer_is_delivered_and_nothing_before() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    // Nobody watches: the stream starts with the configuration, not with a worker.
    let api = world.start("api").await;
    let orders = world.collection("orders");
    insert(&orders, "before", 0).await;
    api.api.create(streaming("orders", &receiver)).await;
    insert(&orders, "after", 1).await;
    let worker = world.start("worker").await;
    let received = receiver.wait_for(1).await;
    assert_eq!(received[0].json()["keys"], json!({"_id": "after"}));
    api.kill().await;
    worker.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_reaches_a_running_worker_within_a_second() {
    let world = World::new().await;
    let (first, second) = (Receiver::start().await, Receiver::start().await);
    let api = world.start("api").await;
    let worker = world.start("worker").await;
    api.api.create(streaming("orders", &first)).await;
    let start = tokio::time::Instant::now();
    api.api
        .until_status("orders", "d", |status| status["state"] == "streaming")
        .await;
    // The worker publishes its status every second, so this sees it at most that much later.
    assert!(start.elapsed().as_secs() < 5, "a poll would take up to 30 s");
    insert(&world.collection("orders"), "a", 0).await;
    first.wait_for(1).await;
    let destination = json!({"id": "e", "type": "http", "endpoint": second.url(), "event_types": ["REMOVE"]});
    let both = json!({"destinations": [
        {"id": "d", "type": "http", "endpoint": first.url()}, destination,
    ]});
    api.api.patch("orders", both).await;
    let orders = world.collection("orders");
    insert(&orders, "b", 0).await;
    orders.delete_one(doc! {"_id": "a"}).await.unwrap();
    first.wait_for(3).await;
    let received = second.wait_for(1).await;
    assert_eq!(received[0].json()["recordType"], "REMOVE");
    assert_eq!(
        first.received().len(),
        3,
        "an unchanged destination sees nothing twice"
    );
    api.kill().await;
    worker.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_turned_off_and_on_again_starts_anew() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let server = world.start("run").await;
    server.api.create(streaming("orders", &receiver)).await;
    let orders = world.collection("orders");
    insert(&orders, "a", 0).await;
    receiver.wait_for(1).await;
    server.api.patch("orders", json!({"stream_enabled": false})).await;
    let off = server
        .api
        .until_status("orders", "d", |status| status["state"] == "disabled")
        .await;
    assert_eq!(off["retry_length"], 0);
    insert(&orders, "while off", 0).await;
    server.api.patch("orders", json!({"stream_enabled": true})).await;
    insert(&orders, "c", 0).await;
    let received = receiver.wait_for(2).await;
    assert_eq!(received[1].json()["keys"], json!({"_id": "c"}));
    server.stop().await;
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_with_waiting_records_is_not_removed_by_accident() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    receiver.answer_with(|_| Answer::Status(500));
    let server = world.start("run").await;
    server.api.create(streaming("orders", &receiver)).await;
    insert(&world.collection("orders"), "a", 0).await;
    server
        .api
        .until_status("orders", "d", |status| status["retry_length"] == 1)
        .await;
    let client = redis::Client::open(world.redis.uri()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    // What counts is the queue in Redis; the status may be ahead of it by a commit.
    let mut length = redis::cmd("ZCARD");
    length.arg("cdc:retry:orders");
    while length.query_async::<u64>(&mut connection).await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
    let none = json!({"destinations": []});
    let refused = server
        .api
        .expect(409, "PATCH", "/api/collections/orders", Some(none.clone()))
        .await;
    assert_eq!(refused["code"], "destination_not_drained");
    server
        .api
        .expect(200, "PATCH", "/api/collections/orders?discard=true", Some(none))
        .await;
    loop {
        let mut ask = redis::cmd("EXISTS");
        ask.arg("cdc:resume:orders:d").arg("cdc:retry:orders");
        if ask.query_async::<u64>(&mut connection).await.unwrap() == 0 {
            break;
        }
        tokio::task::yield_now().await;
    }
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_deleted_while_it_streams_is_gone_with_its_state() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let server = world.start("run").await;
    for round in 0..3 {
        server.api.create(streaming("orders", &receiver)).await;
        let orders = world.collection("orders");
        for number in 0..50 {
            insert(&orders, &format!("{round}-{number}"), number).await;
        }
        receiver.wait_for((round + 1) * 50).await;
        let (status, _) = server.api.call("DELETE", "/api/collections/orders", None).await;
        assert_eq!(status.as_u16(), 204);
    }
    Ledger::of_acknowledged(&receiver.received()).assert_clean();
    assert!(server.stop().await.success());
    let client = redis::Client::open(world.redis.uri()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("cdc:*:orders*")
        .query_async(&mut connection)
        .await
        .unwrap();
    let kept: Vec<&String> = keys
        .iter()
        .filter(|key| !key.starts_with("cdc:processed:"))
        .collect();
    assert!(kept.is_empty(), "left behind: {kept:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_needs_nothing_configured() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let variables = [("MONGODB_URI", ""), ("MONGODB_DATABASE", ""), ("REDIS_URI", "")];
    for round in 1..=3 {
        let server = world.start_with("dev", &variables).await;
        let uri = std::fs::read_to_string(world.folder.path().join(".conduit/mongodb-uri")).unwrap();
        let client = mongodb::Client::with_uri_str(&uri).await.unwrap();
        if round == 1 {
            server.api.create(streaming("orders", &receiver)).await;
        }
        let orders = client.database("conduit").collection("orders");
        insert(&orders, &format!("round-{round}"), 1).await;
        receiver.wait_for_events(round, PATIENCE).await;
        if round == 2 {
            // Its MongoDB is left running, and the next one takes it over.
            server.kill().await;
        } else {
            assert!(server.stop().await.success());
        }
    }
    let ledger = Ledger::of_acknowledged(&receiver.received());
    ledger.assert_clean();
    assert_eq!(ledger.count(), 3, "each run goes on where the last one stood");
}
