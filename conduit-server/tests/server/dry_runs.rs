use conduit_testkit::receiver::Receiver;
use serde_json::{Value, json};

use crate::harness::{World, faulty_fields, streaming};

const ORDERS: &str = "/api/collections/orders";

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_would_be_and_changes_nothing() {
    let receiver = Receiver::start().await;
    let world = World::new().await;
    let server = world.start("run").await;
    let api = &server.api;
    let body = streaming("orders", &receiver);
    let dry = "/api/collections?dry_run=true";
    let would = api.expect(200, "POST", dry, Some(body.clone())).await;
    assert_eq!(
        (&would["action"], &would["version"]),
        (&json!("create"), &Value::Null)
    );
    assert_eq!(would["steps"], json!(["create the collection orders"]));
    api.expect(404, "GET", ORDERS, None).await;
    let faulty = json!({"collection_name": "orders", "odd": 1});
    let refused = api.expect(400, "POST", dry, Some(faulty)).await;
    assert_eq!(faulty_fields(&refused), ["odd"]);
    api.expect(
        400,
        "POST",
        "/api/collections?dry_run=perhaps",
        Some(body.clone()),
    )
    .await;

    // What would be stored is what is stored.
    assert_eq!(api.create(body.clone()).await, would["config"]);
    api.expect(409, "POST", dry, Some(body.clone())).await;
    let dry = format!("{ORDERS}?dry_run=true");
    let same = api.expect(200, "PUT", &dry, Some(body.clone())).await;
    assert_eq!(
        (&same["action"], &same["changes"]),
        (&json!("unchanged"), &json!([]))
    );
    let before = api.get(ORDERS).await;
    let patched = api
        .expect(
            200,
            "PATCH",
            &dry,
            Some(json!({"old_image": true, "ttl_attribute": "e"})),
        )
        .await;
    assert_eq!(
        patched["changes"],
        json!([
            {"field": "old_image", "from": false, "to": true},
            {"field": "ttl_attribute", "from": null, "to": "e"},
        ])
    );
    let key = json!({"primary_key": "id"});
    api.expect(409, "PATCH", &dry, Some(key)).await;
    assert_eq!(api.get(ORDERS).await, before);
    assert!(patched["version"].is_i64() && patched["version"] == same["version"]);
    server.kill().await;
}
