use bson::doc;
use conduit_testkit::receiver::{Answer, Receiver};
use conduit_testkit::servers::MongoServer;
use serde_json::json;
use tokio::time::{Duration, Instant, sleep};

use crate::harness::{PATIENCE, Server, World, insert, streaming};

async fn until_health(server: &Server, dependency: &str, wanted: &str) {
    while server.api.get("/health").await[dependency]["state"] != wanted {
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_without_redis_is_answered_and_finished_when_it_is_back() {
    let mut world = World::new().await;
    let receiver = Receiver::start().await;
    receiver.answer_with(|_| Answer::Status(500));
    let server = world.start("run").await;
    server.api.create(streaming("orders", &receiver)).await;
    insert(&world.collection("orders"), "a", 1).await;
    server
        .api
        .until_status("orders", "d", |status| status["retry_length"] == 1)
        .await;
    world.redis.stop().await.unwrap();
    let (status, answer) = server.api.call("DELETE", "/api/collections/orders", None).await;
    assert_eq!(status.as_u16(), 204, "{answer}");
    server
        .api
        .expect(404, "GET", "/api/collections/orders", None)
        .await;
    let again = json!({"collection_name": "orders"});
    let refused = server
        .api
        .expect(409, "POST", "/api/collections", Some(again.clone()))
        .await;
    assert_eq!(refused["code"], "deletion_unfinished");
    // What somebody writes to a new collection of the name is not a part of the deletion.
    let orders = world.collection("orders");
    assert_eq!(orders.count_documents(doc! {}).await.unwrap(), 0);
    insert(&orders, "later", 1).await;

    world.redis.restart().await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (status, answer) = server
            .api
            .call("POST", "/api/collections", Some(again.clone()))
            .await;
        if status.as_u16() == 201 {
            break;
        }
        assert!(Instant::now() < deadline, "{answer}\n{}", server.log());
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(orders.count_documents(doc! {}).await.unwrap(), 1);
    let client = redis::Client::open(world.redis.uri()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    loop {
        let mut ask = redis::cmd("KEYS");
        let left: Vec<String> = ask
            .arg("cdc:[rd]*:orders*")
            .query_async(&mut connection)
            .await
            .unwrap();
        if left.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "{left:?}\n{}", server.log());
        sleep(Duration::from_millis(50)).await;
    }
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_refused_without_waiting_while_mongodb_is_down() {
    let mut mongodb = MongoServer::start().await;
    let world = World::on(&mongodb.uri()).await;
    // So long that the requests below could not wait for it.
    let uri = format!("{}&serverSelectionTimeoutMS=20000", mongodb.uri());
    let server = world.start_with("run", &[("MONGODB_URI", &uri)]).await;
    server.api.create(json!({"collection_name": "c"})).await;
    mongodb.kill();
    until_health(&server, "mongodb", "down").await;
    let before = server.log().matches("a request failed").count();
    for number in 0..20 {
        let (method, path, body) = match number % 5 {
            0 => ("GET", "/api/collections", None),
            1 => ("GET", "/api/collections/c", None),
            2 => ("POST", "/api/collections", Some(json!({"collection_name": "d"}))),
            3 => (
                "PATCH",
                "/api/collections/c",
                Some(json!({"stream_enabled": true})),
            ),
            _ => ("GET", "/api/status", None),
        };
        let answer = server.api.expect(503, method, path, body).await;
        assert_eq!(answer["code"], "dependency_unavailable");
    }
    assert_eq!(server.log().matches("a request failed").count(), before);
    let (status, _) = server
        .api
        .try_text("GET", "/metrics", "", Vec::new())
        .await
        .unwrap();
    assert_eq!(status.as_u16(), 200);
    assert!(!server.log().contains("Topology"), "{}", server.log());
    mongodb.restart().await;
    server.until_ready().await;
    server.api.get("/api/collections/c").await;
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_dropped_by_hand_has_its_indexes_and_images_again_after_a_start() {
    let world = World::new().await;
    let server = world.start("api").await;
    let body = json!({"collection_name": "users", "primary_key": "id", "old_image": true});
    server.api.create(body).await;
    server.kill().await;
    let users = world.collection("users");
    users.drop().await.unwrap();
    insert(&users, "a", 1).await;
    let server = world.start("api").await;
    loop {
        let names = users.list_index_names().await.unwrap();
        let options = doc! {"listCollections": 1, "filter": {"name": "users"}};
        let found = world.database.run_command(options).await.unwrap().to_string();
        if names.contains(&"conduit_key".to_owned()) && found.contains("changeStreamPreAndPostImages") {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_is_soon_spoken_of_no_more() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let api = world.start("api").await;
    let worker = world.start("worker").await;
    api.api.create(streaming("orders", &receiver)).await;
    api.api
        .until_status("orders", "d", |status| status["state"] == "streaming")
        .await;
    worker.kill().await;
    api.api
        .until_status("orders", "d", |status| status["reason"] == "no worker is running")
        .await;
    api.kill().await;
}
