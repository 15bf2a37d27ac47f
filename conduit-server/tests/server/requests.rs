use bson::doc;
use conduit_testkit::receiver::Receiver;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Api, World, streaming};

async fn refused_fields(api: &Api, method: &str, path: &str) -> Vec<String> {
    let body = (method == "PUT" || method == "PATCH").then(|| json!({}));
    let (status, content_type, text) = {
        let bytes = body
            .map(|body: Value| body.to_string().into_bytes())
            .unwrap_or_default();
        api.try_typed(method, path, "application/json", bytes)
            .await
            .unwrap()
    };
    assert_eq!(
        (status.as_u16(), content_type.as_str()),
        (400, "application/problem+json"),
        "{method} {path}: {text}"
    );
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["code"], "validation_failed");
    let faults = answer["errors"].as_array().unwrap();
    faults
        .iter()
        .map(|fault| fault["field"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_query_parameters_and_paths_are_faults_that_name_them() {
    let world = World::new().await;
    let server = world.start("run").await;
    let body = json!({"collection_name": "c", "deletion_protection": false});
    server.api.create(body).await;
    for (method, path, fields) in [
        ("PUT", "/api/collections/c?discard=perhaps", &["discard"][..]),
        (
            "PUT",
            "/api/collections/c?discard=true&discard=true",
            &["discard"],
        ),
        ("PATCH", "/api/collections/c?keep_data=true", &["keep_data"]),
        ("DELETE", "/api/collections/c?keepdata=true", &["keepdata"]),
        (
            "DELETE",
            "/api/collections/c?keep_data=true&keep_data=false&x",
            &["keep_data", "x"],
        ),
        ("GET", "/api/collections/c/dlq?limit=0&page=2", &["page", "limit"]),
        ("GET", "/api/collections/c/dlq?cursor=1&cursor=1", &["cursor"]),
        ("GET", "/api/collections/a%ff", &["name"]),
        ("PATCH", "/api/collections/a%ff", &["name"]),
        ("DELETE", "/api/collections/%80", &["name"]),
        ("GET", "/api/collections/a%ff/status", &["name"]),
        ("GET", "/api/collections/a%ff/dlq", &["name"]),
    ] {
        assert_eq!(
            refused_fields(&server.api, method, path).await,
            fields,
            "{method} {path}"
        );
    }
    server.api.get("/api/collections/c").await;
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_legal_name_of_mongodb_can_be_configured() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let server = world.start("run").await;
    for (index, (name, path)) in [("system", "system"), ("a\tb", "a%09b"), ("ü.ß", "%C3%BC.%C3%9F")]
        .into_iter()
        .enumerate()
    {
        server.api.create(streaming(name, &receiver)).await;
        let id = i32::try_from(index).unwrap();
        world.collection(name).insert_one(doc! {"_id": id}).await.unwrap();
        let received = receiver.wait_for(index + 1).await;
        assert_eq!(received[index].json()["tableName"], name);
        let (status, _) = server
            .api
            .call("DELETE", &format!("/api/collections/{path}"), None)
            .await;
        assert_eq!(status.as_u16(), 204, "{name:?}");
    }
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_field_of_a_key_schema_stays_when_it_is_left_out() {
    let world = World::new().await;
    let server = world.start("run").await;
    let body = json!({"collection_name": "users", "primary_key": "pk", "sort_key": "sk"});
    server.api.create(body).await;
    for (body, status) in [
        (json!({"primary_key": "pk"}), 200),
        (json!({"sort_key": "sk"}), 200),
        (json!({"primary_key": null, "sort_key": null}), 200),
        (json!({"primary_key": "sk"}), 409),
        (json!({"sort_key": "other"}), 409),
    ] {
        let answer = server
            .api
            .expect(status, "PUT", "/api/collections/users", Some(body.clone()))
            .await;
        if status == 200 {
            assert_eq!(
                (&answer["primary_key"], &answer["sort_key"]),
                (&json!("pk"), &json!("sk"))
            );
        } else {
            assert_eq!(answer["code"], "key_schema_immutable", "{body}");
        }
    }
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_at_the_same_time_all_succeed_and_leave_what_is_stored() {
    let world = World::new().await;
    let server = world.start("run").await;
    server
        .api
        .create(json!({"collection_name": "c", "deletion_protection": false}))
        .await;
    let patches = (0..12).map(|number| {
        let api = server.api.clone();
        async move {
            api.patch("c", json!({"ttl_attribute": format!("t{}", number % 3)}))
                .await
        }
    });
    join_all(patches).await;
    let stored = server.api.get("/api/collections/c").await;
    let mut cursor = world.collection("c").list_indexes().await.unwrap();
    let mut expiring = Vec::new();
    while cursor.advance().await.unwrap() {
        let index = cursor.deserialize_current().unwrap();
        expiring.extend(
            index
                .keys
                .keys()
                .filter(|field| *field != "_id")
                .cloned()
                .collect::<Vec<String>>(),
        );
    }
    assert_eq!(json!(expiring), json!([stored["ttl_attribute"]]));
    server.kill().await;
}
