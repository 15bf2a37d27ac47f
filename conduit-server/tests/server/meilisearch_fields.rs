//! Destinations of type `meilisearch` over REST.

use conduit_testkit::meilisearch::API_KEY;
use serde_json::{Value, json};

use crate::harness::{World, insert};
use crate::search_server::SearchServer;

const MASK: &str = "********";

/// The fields that a refusal names, and the whole of it.
fn faults(answer: &Value) -> Vec<&str> {
    let errors = answer["errors"].as_array().unwrap();
    errors
        .iter()
        .map(|error| error["field"].as_str().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_wrong_field_is_named() {
    let world = World::new().await;
    let server = world.start("api").await;
    let endpoint = "http://localhost:7700";
    for (destination, fields) in [
        (json!({}), &["endpoint"][..]),
        (json!({"endpoint": "localhost:7700"}), &["endpoint"]),
        (
            json!({"endpoint": "http://me:hidden@localhost:7700"}),
            &["endpoint"],
        ),
        (
            json!({"endpoint": "http://localhost:7700/?key=hidden", "index_name": "a"}),
            &["endpoint"],
        ),
        (
            json!({"endpoint": endpoint, "index_name": "or ders"}),
            &["index_name"],
        ),
        (json!({"endpoint": endpoint, "index_name": ""}), &["index_name"]),
        (
            json!({"endpoint": endpoint, "index_name": "x".repeat(401)}),
            &["index_name"],
        ),
        (json!({"endpoint": endpoint, "index_name": 7}), &["index_name"]),
        // Its name comes from the collection, whose own name cannot be one.
        (json!({"endpoint": endpoint}), &["index_name"]),
        (
            json!({"endpoint": endpoint, "index_name": "a", "settings": ["hidden"]}),
            &["settings"],
        ),
        (
            json!({"endpoint": endpoint, "index_name": "a", "bearer_token": "hid den"}),
            &["bearer_token"],
        ),
        (
            json!({"endpoint": endpoint, "index_name": "a", "bearer_token": MASK}),
            &["bearer_token"],
        ),
        (
            json!({"endpoint": endpoint, "index_name": "a", "format": "cloudevents"}),
            &["format"],
        ),
        (
            json!({"endpoint": endpoint, "index_name": "a", "index": "hidden"}),
            &["index"],
        ),
        (
            json!({"endpoint": endpoint, "index_name": "a", "timeout": "30s"}),
            &["timeout"],
        ),
        (
            json!({"endpoint": "ftp://localhost", "index_name": 7, "settings": 7, "masterKey": "hidden"}),
            &["endpoint", "index_name", "settings", "masterKey"],
        ),
    ] {
        let mut destination = destination;
        destination["type"] = json!("meilisearch");
        let body = json!({"collection_name": "my orders", "destinations": [destination]});
        let answer = server
            .api
            .expect(400, "POST", "/api/collections", Some(body))
            .await;
        let named: Vec<String> = fields
            .iter()
            .map(|field| format!("destinations[0].{field}"))
            .collect();
        assert_eq!(faults(&answer), named, "{destination}");
        assert!(!answer.to_string().contains("hid"), "{answer}");
    }
    assert_eq!(server.api.get("/api/collections").await, json!([]));
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_has_the_collections_name_and_the_settings_it_was_given() {
    let world = World::new().await;
    let mut search = SearchServer::start_stub().await;
    search.index_name = "orders".to_owned();
    let settings = json!({"searchableAttributes": ["$name", "a.b"], "synonyms": {"a.b": ["$c"]}});
    let mut body = search.collection("orders");
    body["destinations"][0]["index_name"] = Value::Null;
    body["destinations"][0]["settings"] = settings.clone();
    let server = world.start("run").await;
    let created = server.api.create(body).await;
    assert_eq!(created["destinations"][0]["settings"], settings);
    assert_eq!(server.api.get("/api/collections/orders").await, created);
    insert(&world.collection("orders"), "a", 1).await;
    let stub = search.stub().unwrap();
    stub.wait_for_document_tasks(1).await;
    assert_eq!(search.settings().await, settings);
    assert_eq!(
        search.documents().await["a"],
        json!({"_conduit_id": "a", "_id": "a", "value": 1})
    );
    let index = stub.index("orders").unwrap();
    assert_eq!(index.primary_key.as_deref(), Some("_conduit_id"));
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_key_is_masked_and_kept_for_the_same_server_only() {
    let world = World::new().await;
    let (search, other) = (SearchServer::start_stub().await, SearchServer::start_stub().await);
    let server = world.start("run").await;
    let created = server.api.create(search.collection("orders")).await;
    assert_eq!(created["destinations"][0]["bearer_token"], MASK);
    assert!(!created.to_string().contains(API_KEY));

    // What was shown is taken as it is, and another index of the server too.
    let path = "/api/collections/orders";
    let same = server.api.expect(200, "PUT", path, Some(created.clone())).await;
    assert_eq!(same, created);
    let mut moved = created.clone();
    moved["destinations"][0]["endpoint"] = other.destination()["endpoint"].clone();
    let refused = server.api.expect(400, "PUT", path, Some(moved.clone())).await;
    assert_eq!(faults(&refused), ["destinations[0].bearer_token"]);
    let mut renamed = created;
    renamed["destinations"][0]["index_name"] = json!("elsewhere");
    server.api.expect(200, "PUT", path, Some(renamed)).await;

    insert(&world.collection("orders"), "a", 1).await;
    let stub = search.stub().unwrap();
    stub.wait_for_document_tasks(1).await;
    assert_eq!(stub.documents("elsewhere").len(), 1, "the key is right");
    assert!(other.stub().unwrap().receiver().received().is_empty());
    let log = server.log();
    assert!(!log.contains(API_KEY), "{log}");
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_api_key_holds_the_destination_until_the_right_one_is_given() {
    let world = World::new().await;
    let search = SearchServer::start("key").await;
    let server = world.start("run").await;
    let mut body = search.collection("orders");
    if body["destinations"][0]["bearer_token"].is_null() {
        println!("SKIPPED: the server has no key (MEILI_MASTER_KEY is not set)");
        return;
    }
    body["destinations"][0]["bearer_token"] = json!("wr0ng-key");
    server.api.create(body).await;
    let orders = world.collection("orders");
    for number in 0..60 {
        insert(&orders, &format!("k{number}"), number).await;
    }
    let status = server
        .api
        .until_status("orders", "d", |status| status["state"] == "holding")
        .await;
    let reason = status["reason"].as_str().unwrap();
    assert!(
        reason.contains("403") && reason.contains("invalid_api_key"),
        "{status}"
    );
    assert!(
        !status.to_string().contains("wr0ng") && !server.log().contains("wr0ng"),
        "{status}"
    );
    assert_eq!(
        (&status["delivered"], &status["dlq_length"]),
        (&json!(0), &json!(0)),
        "{status}"
    );

    let right = json!({"destinations": [search.destination()]});
    server.api.patch("orders", right).await;
    let status = server
        .api
        .until_status("orders", "d", |status| {
            status["lag_seconds"] == 0.0 && status["delivered"] == 60
        })
        .await;
    assert_eq!(
        (&status["retry_length"], &status["dlq_length"]),
        (&json!(0), &json!(0)),
        "{status}"
    );
    assert_eq!(search.documents().await.len(), 60);
    assert!(server.stop().await.success());
    search.delete_index().await;
}
