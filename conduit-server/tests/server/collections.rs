use bson::{Document, doc};
use conduit_testkit::receiver::Receiver;
use futures_util::TryStreamExt;
use serde_json::{Value, json};

use crate::harness::{Server, World, streaming};

async fn index_names(world: &World, collection: &str) -> Vec<String> {
    let mut names = world.collection(collection).list_index_names().await.unwrap();
    names.sort_unstable();
    names
}

async fn exists(world: &World, name: &str) -> bool {
    world
        .database
        .list_collection_names()
        .await
        .unwrap()
        .iter()
        .any(|known| known == name)
}

async fn stored(world: &World) -> Vec<Document> {
    let cursor = world
        .collection("config.collections")
        .find(doc! {})
        .await
        .unwrap();
    cursor.try_collect().await.unwrap()
}

/// A server in one process, API and worker apart, and a trial server: the same must hold for each.
async fn start_all(world: &World) -> Vec<(Server, Option<Server>)> {
    vec![
        (world.start("run").await, None),
        (world.start("api").await, Some(world.start("worker").await)),
        (world.start("dev").await, None),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_with_a_key_schema_lives_its_life() {
    let world = World::new().await;
    for (server, worker) in start_all(&world).await {
        let api = &server.api;
        let body = json!({
            "collection_name": "users", "primary_key": "id", "sort_key": "email", "ttl_attribute": "expiresAt",
        });
        let created = api.create(body.clone()).await;
        assert_eq!(created["deletion_protection"], true);
        assert_eq!(
            index_names(&world, "users").await,
            ["_id_", "conduit_key", "conduit_ttl"]
        );
        let users = world.collection("users");
        users.insert_one(doc! {"id": "1", "email": "a"}).await.unwrap();
        assert!(
            users.insert_one(doc! {"id": "1", "email": "a"}).await.is_err(),
            "the key is unique"
        );
        assert_eq!(
            api.expect(409, "POST", "/api/collections", Some(body)).await["code"],
            "collection_exists"
        );

        let shown = api.get("/api/collections/users").await;
        assert_eq!(shown, created);
        assert_eq!(api.get("/api/collections").await, json!([created]));
        assert_eq!(
            api.expect(200, "PUT", "/api/collections/users", Some(shown.clone()))
                .await,
            shown
        );
        assert_eq!(
            api.expect(200, "PATCH", "/api/collections/users", Some(shown.clone()))
                .await,
            shown
        );

        let changed = json!({"collection_name": "users", "primary_key": "email"});
        let refused = api
            .expect(409, "PUT", "/api/collections/users", Some(changed))
            .await;
        assert_eq!(refused["code"], "key_schema_immutable");
        let refused = api
            .expect(
                409,
                "PATCH",
                "/api/collections/users",
                Some(json!({"sort_key": null})),
            )
            .await;
        assert_eq!(refused["code"], "key_schema_immutable");
        let put = api
            .expect(
                200,
                "PUT",
                "/api/collections/users",
                Some(json!({"old_image": true})),
            )
            .await;
        assert_eq!(
            (&put["primary_key"], &put["ttl_attribute"]),
            (&json!("id"), &Value::Null)
        );
        assert_eq!(index_names(&world, "users").await, ["_id_", "conduit_key"]);
        let renamed = json!({"collection_name": "people"});
        let refused = api
            .expect(400, "PUT", "/api/collections/users", Some(renamed))
            .await;
        assert_eq!(refused["errors"][0]["field"], "collection_name");

        let refused = api.expect(403, "DELETE", "/api/collections/users", None).await;
        assert_eq!(
            refused["detail"],
            "Deletion protection is enabled. Disable it before deleting the collection."
        );
        api.patch("users", json!({"deletion_protection": false})).await;
        let (status, body) = api.call("DELETE", "/api/collections/users", None).await;
        assert_eq!((status.as_u16(), body), (204, json!("")));
        assert!(!exists(&world, "users").await);
        assert!(stored(&world).await.is_empty());
        api.expect(404, "GET", "/api/collections/users", None).await;
        api.expect(404, "DELETE", "/api/collections/users", None).await;
        assert!(server.stop().await.success());
        if let Some(worker) = worker {
            assert!(worker.stop().await.success());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_existing_collection_is_adopted_and_its_documents_can_be_kept() {
    let world = World::new().await;
    let server = world.start("run").await;
    let logs = world.collection("logs");
    logs.insert_one(doc! {"_id": 1}).await.unwrap();
    let own_index = mongodb::IndexModel::builder().keys(doc! {"a": 1}).build();
    logs.create_index(own_index).await.unwrap();
    server
        .api
        .create(json!({"collection_name": "logs", "deletion_protection": false}))
        .await;
    assert_eq!(index_names(&world, "logs").await, ["_id_", "a_1"]);
    server
        .api
        .expect(400, "DELETE", "/api/collections/logs?keep_data=perhaps", None)
        .await;
    let (status, _) = server
        .api
        .call("DELETE", "/api/collections/logs?keep_data=true", None)
        .await;
    assert_eq!(status.as_u16(), 204);
    assert_eq!(logs.count_documents(doc! {}).await.unwrap(), 1);
    assert!(stored(&world).await.is_empty());

    world
        .database
        .run_command(doc! {"create": "view", "viewOn": "logs", "pipeline": []})
        .await
        .unwrap();
    let refused = server
        .api
        .expect(
            400,
            "POST",
            "/api/collections",
            Some(json!({"collection_name": "view"})),
        )
        .await;
    assert_eq!(refused["errors"][0]["field"], "collection_name");
    logs.insert_many([doc! {"k": 1}, doc! {"k": 1}]).await.unwrap();
    let body = json!({"collection_name": "logs", "primary_key": "k"});
    server
        .api
        .expect(409, "POST", "/api/collections", Some(body))
        .await;
    assert!(stored(&world).await.is_empty());
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_wrong_bodies_are_ten_clear_refusals_and_nothing_is_stored() {
    let world = World::new().await;
    let server = world.start("run").await;
    let http = |fields: Value| {
        let mut destination = json!({"type": "http", "endpoint": "http://127.0.0.1:9/"});
        destination
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        json!({"collection_name": "bad", "destinations": [destination]})
    };
    let cases: [(Value, &str); 12] = [
        (json!({}), "collection_name"),
        (json!({"collection_name": ""}), "collection_name"),
        (json!({"collection_name": "a:b"}), "collection_name"),
        (json!({"collection_name": "system.profile"}), "collection_name"),
        (
            json!({"collection_name": "config.collections"}),
            "collection_name",
        ),
        (json!({"collection_name": "bad", "sort_key": "sk"}), "sort_key"),
        (
            json!({"collection_name": "bad", "stream_enabled": "yes"}),
            "stream_enabled",
        ),
        (json!({"collection_name": "bad", "colour": "red"}), "colour"),
        (http(json!({"endpoint": "ftp://x/"})), "destinations[0].endpoint"),
        (http(json!({"max_retries": 21})), "destinations[0].max_retries"),
        (http(json!({"type": "smoke"})), "destinations[0].type"),
        (
            http(json!({"event_types": ["UPSERT"]})),
            "destinations[0].event_types[0]",
        ),
    ];
    for (body, field) in cases {
        let (status, answer) = server
            .api
            .call("POST", "/api/collections", Some(body.clone()))
            .await;
        assert_eq!(status.as_u16(), 400, "{body}");
        assert_eq!(answer["code"], "validation_failed");
        assert_eq!(answer["errors"][0]["field"], field, "{answer}");
        assert!(
            answer["errors"][0]["message"]
                .as_str()
                .is_some_and(|message| !message.is_empty())
        );
    }
    let text = |body: &str| body.as_bytes().to_vec();
    for (content_type, body, status, code) in [
        ("application/json", text("{"), 400, "invalid_json"),
        ("application/json", text("[]"), 400, "validation_failed"),
        ("text/xml", text("<a/>"), 415, "unsupported_media_type"),
        (
            "application/json",
            vec![b' '; 1024 * 1024 + 1],
            413,
            "body_too_large",
        ),
    ] {
        let (got, answer) = server
            .api
            .try_text("POST", "/api/collections", content_type, body)
            .await
            .unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((got.as_u16(), &answer["code"]), (status, &json!(code)));
    }
    server.api.expect(405, "DELETE", "/api/collections", None).await;
    server.api.expect(404, "GET", "/api/nothing", None).await;
    server
        .api
        .expect(404, "POST", "/api/collections/bad/test", None)
        .await;
    assert!(stored(&world).await.is_empty());
    assert!(!exists(&world, "bad").await);
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_never_shown_again() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let server = world.start("run").await;
    let mut body = streaming("secret", &receiver);
    body["destinations"][0]["bearer_token"] = json!("hunter2");
    let created = server.api.create(body).await;
    assert_eq!(created["destinations"][0]["bearer_token"], "********");
    server
        .api
        .expect(200, "PUT", "/api/collections/secret", Some(created.clone()))
        .await;
    world
        .collection("secret")
        .insert_one(doc! {"_id": 1})
        .await
        .unwrap();
    let received = receiver.wait_for(1).await;
    assert_eq!(received[0].header("authorization"), Some("Bearer hunter2"));
    let mut elsewhere = created;
    elsewhere["destinations"][0]["endpoint"] = json!("http://127.0.0.1:9/");
    let refused = server
        .api
        .expect(400, "PUT", "/api/collections/secret", Some(elsewhere))
        .await;
    assert_eq!(refused["errors"][0]["field"], "destinations[0].bearer_token");
    let (_, metrics) = server
        .api
        .try_text("GET", "/metrics", "", Vec::new())
        .await
        .unwrap();
    let shown = format!(
        "{}{}{metrics}",
        server.api.get("/api/collections").await,
        server.api.get("/api/status").await
    );
    assert!(!shown.contains("hunter2") && !server.log().contains("hunter2"));
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_was_cut_short_is_finished_at_the_next_start() {
    let world = World::new().await;
    let server = world.start("run").await;
    server
        .api
        .create(json!({"collection_name": "half", "deletion_protection": false}))
        .await;
    server.kill().await;
    let configs = world.collection("config.collections");
    let mark = doc! {"$set": {"deleting": "drop_data"}, "$inc": {"version": 1}};
    configs.update_one(doc! {"_id": "half"}, mark).await.unwrap();
    let server = world.start("run").await;
    assert!(!exists(&world, "half").await);
    assert!(stored(&world).await.is_empty());
    server.kill().await;
}
