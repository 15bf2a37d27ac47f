use conduit_testkit::receiver::Receiver;
use serde_json::{Value, json};

use super::program::Cli;
use crate::harness::World;

fn rich(receiver: &Receiver) -> Value {
    json!({
        "collection_name": "orders", "stream_enabled": true, "old_image": true, "primary_key": "id", "sort_key": "no",
        "image_format": "extjson",
        "destinations": [
            {
                "id": "hook", "type": "http", "endpoint": format!("{}?a=1&b=x:y", receiver.url()), "timeout": "1500ms",
                "headers": {"x-key": "header-secret", "x-other": "#: - tricky"}, "signing_secret": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
                "batch": {"max_records": 10, "max_wait": "50ms"},
                "filter_criteria": {
                    "new_image": {"status": ["paid", "no", "", null], "total": [{"numeric": [">", 0.1, "<=", 1e3]}]},
                    "old_image": {"a": {"b": [{"anything-but": {"prefix": "- x: {"}}, {"exists": false}]}},
                },
            },
            {"type": "meilisearch", "endpoint": receiver.url(), "bearer_token": "search-secret",
             "settings": {"rankingRules": ["words"], "synonyms": {"off": ["on"]}, "stopWords": null}},
        ],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_applies_without_a_change() {
    let receiver = Receiver::start().await;
    let world = World::new().await;
    let server = world.start("run").await;
    let cli = Cli::of(&server, world.folder.path());
    server.api.create(rich(&receiver)).await;
    server.api.create(json!({"collection_name": "users"})).await;

    let yaml = cli.out(&["export"]).await;
    for secret in ["header-secret", "tricky", "whsec", "search-secret"] {
        assert!(!yaml.contains(secret), "{secret}: {yaml}");
    }
    assert!(
        yaml.starts_with("# Written by `conduit export`") && yaml.contains("\"********\""),
        "{yaml}"
    );
    let nothing =
        "orders: unchanged\nusers: unchanged\nPlan: 0 to create, 0 to change, 0 to delete, 2 unchanged.\n";
    for text in [yaml, cli.out(&["export", "--json"]).await] {
        let run = cli.run_with(&["apply", "-f", "-"], &text).await;
        assert_eq!((run.code, run.out.as_str()), (0, nothing), "{text}\n{}", run.err);
    }
    // One alone, and what `get` shows.
    let one = cli.out(&["export", "users"]).await;
    assert!(
        one.ends_with(
            "collections:\n  - collection_name: users\n    stream_enabled: false\n    old_image: false\n    \
        deletion_protection: true\n    image_format: json\n    destinations: []\n"
        ),
        "{one}"
    );
    let shown = cli.out(&["collections", "get", "users"]).await;
    assert!(
        shown.starts_with("collection_name: users\nprimary_key: null\n"),
        "{shown}"
    );
    assert_eq!(
        cli.json(&["collections", "get", "orders", "--json"]).await,
        server.api.get("/api/collections/orders").await
    );

    // Where there is no secret to keep, that is said.
    server
        .api
        .patch("orders", json!({"deletion_protection": false}))
        .await;
    let yaml = cli.out(&["export", "orders"]).await;
    cli.out(&["collections", "delete", "orders", "--yes"]).await;
    let run = cli.run_with(&["apply", "-f", "-", "--yes"], &yaml).await;
    assert_eq!(run.code, 1);
    assert!(
        run.out.contains("there is no stored secret to keep"),
        "{}",
        run.out
    );
    server.kill().await;
}
