use conduit_testkit::receiver::Receiver;
use serde_json::json;

use super::examined::{Examined, run};
use crate::harness::World;

#[tokio::test(flavor = "multi_thread")]
async fn of_a_sound_setup_nothing_has_failed() {
    // GIVEN a server with a collection that uses all there is to use.
    let (world, receiver) = (World::new().await, Receiver::start().await);
    let server = world.start("run").await;
    let body = json!({
        "collection_name": "orders", "stream_enabled": true, "old_image": true, "primary_key": "number",
        "ttl_attribute": "expires", "destinations": [{"id": "d", "type": "http", "endpoint": receiver.url()}],
    });
    server.api.create(body).await;
    server
        .api
        .until_status("orders", "d", |d| d["state"] == "streaming")
        .await;

    // WHEN it is examined from outside, and by itself.
    let examined = Examined::of(&world, &[]).await;
    let own = server.api.get("/api/doctor").await;

    // THEN all is well, and both look at the same things.
    assert!(!examined.has("failed"), "{}", examined.text);
    assert_eq!(examined.code, 0);
    for name in [
        "environment",
        "access",
        "mongodb",
        "mongodb replica set",
        "mongodb majority",
        "mongodb version",
        "mongodb rights",
        "mongodb clock",
        "stored images",
        "redis",
        "redis version",
        "redis persistence",
        "redis eviction",
        "redis memory",
        "configuration",
        "secrets",
        "collection orders",
        "destination orders/d",
        "stream orders/d",
        "workers",
        "dead letters",
    ] {
        assert_eq!(examined.check(name)["verdict"], "ok", "{}", examined.check(name));
        let named = own["checks"]
            .as_array()
            .unwrap()
            .iter()
            .find(|check| check["name"] == name);
        assert_eq!(
            named.unwrap_or_else(|| panic!("no {name}: {own}"))["verdict"],
            "ok",
            "{own}"
        );
    }

    // The oplog of the tests' server is small: by what the other tests write, it may be full.
    assert!(!examined.says("mongodb history", "skipped"), "{}", examined.text);

    // AND nothing was sent, nor said to a terminal in colours that is none.
    assert!(receiver.received().is_empty());
    let (database, redis) = (world.database.name().to_owned(), world.redis.uri());
    let variables = [
        ("MONGODB_URI", world.mongodb_uri.as_str()),
        ("MONGODB_DATABASE", &database),
        ("REDIS_URI", &redis),
    ];
    let (code, text) = run(&variables, &[]).await;
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("✓ ok       redis eviction ") && !text.contains('\u{1b}'),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_database_is_named_the_server_is_asked() {
    let world = World::new().await;
    let token = "an-admin-token-of-the-test";
    let server = world
        .start_with("run", &[("CONDUIT_API_TOKEN", token), ("HOST", "127.0.0.1")])
        .await;
    let url = server.api.base.clone();
    let (code, text) = run(
        &[("CONDUIT_URL", &url), ("CONDUIT_API_TOKEN", token)],
        &["--json"],
    )
    .await;
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("\"mongodb replica set\""), "{text}");
    let (code, text) = run(&[("CONDUIT_URL", &url)], &[]).await;
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("send `Authorization: Bearer <token>`")
            && text.contains("set CONDUIT_API_TOKEN")
            && text.contains("set MONGODB_URI"),
        "{text}"
    );
    assert!(!text.contains(token));
}
