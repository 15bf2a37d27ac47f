use conduit_testkit::receiver::Receiver;
use serde_json::json;

use super::program::Cli;
use crate::harness::{World, insert, streaming};

#[tokio::test(flavor = "multi_thread")]
async fn collections_and_their_destinations_are_shown_in_tables() {
    let receiver = Receiver::start().await;
    let world = World::new().await;
    let server = world.start("run").await;
    let cli = Cli::of(&server, world.folder.path());
    let none = "No collection is configured: `conduit apply -f FILE` configures some.\n";
    assert_eq!(cli.out(&["collections", "list"]).await, none);
    assert_eq!(cli.out(&["status"]).await, none);
    server.api.create(streaming("orders", &receiver)).await;
    server
        .api
        .create(json!({"collection_name": "users", "primary_key": "id", "ttl_attribute": "ends"}))
        .await;
    let wanted = "\
COLLECTION  STREAM  KEY  OLD IMAGES  EXPIRY  PROTECTED  DESTINATIONS
orders      on      _id  no                  no         d
users       off     id   no          ends    yes
";
    assert_eq!(cli.out(&["collections", "list"]).await, wanted);

    insert(&world.collection("orders"), "a", 7).await;
    let status = server
        .api
        .until_status("orders", "d", |status| {
            status["delivered"] == 1 && status["state"] == "streaming"
        })
        .await;
    // A time that the oplog holds, however much the other tests write.
    let time = status["position_time"].as_str().unwrap();
    let table = cli.out(&["status", "orders"]).await;
    let words: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(words[0][..4], ["COLLECTION", "DESTINATION", "STATE", "LAG"]);
    assert_eq!(words[1][..3], ["orders", "d", "streaming"]);
    assert_eq!(words[1][5], "1", "{table}");
    let json = cli.json(&["status", "--json"]).await;
    assert_eq!(
        (&json[0]["collection_name"], json.as_array().unwrap().len()),
        (&json!("orders"), 2)
    );

    let paused = cli.out(&["pause", "orders", "--destination", "d"]).await;
    assert!(paused.contains("paused"), "{paused}");
    let resumed = cli.json(&["resume", "orders", "--json"]).await;
    assert_ne!(resumed["destinations"][0]["state"], "paused");
    let rewound = cli.out(&["rewind", "orders", "--to", time, "--yes"]).await;
    assert!(
        rewound.starts_with(&format!("rewound to {}", &time[..19])) && rewound.ends_with(": d\n"),
        "{rewound}"
    );

    let deleted = cli.out(&["collections", "delete", "orders", "--keep-data"]).await;
    assert_eq!(deleted, "deleted orders\n");
    assert_eq!(
        world
            .collection("orders")
            .count_documents(bson::doc! {})
            .await
            .unwrap(),
        1
    );
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_is_tried_and_the_exit_code_tells() {
    let world = World::new().await;
    let server = world.start("run").await;
    let cli = Cli::of(&server, world.folder.path());
    cli.write(
        "filter.yaml",
        "new_image:\n  status: [paid]\n  total: [{numeric: ['>', 100]}]\n",
    );
    let matching = r#"{"newImage": {"status": "paid", "total": 100.5}}"#;
    let out = cli
        .out(&["filter", "test", "-f", "filter.yaml", "--record", matching])
        .await;
    let wanted = "\
matches

PATH              MATCHED  OPERATOR  FOUND
new_image.status  yes      equals    paid
new_image.total   yes      numeric   100.5
";
    assert_eq!(out, wanted);
    let other = r#"{"newImage": {"status": "open"}}"#;
    let filter = r#"{"new_image": {"status": ["paid"]}}"#;
    let run = cli
        .run_with(&["filter", "test", "--filter", filter, "--record", "-"], other)
        .await;
    assert_eq!(
        (run.code, run.out.starts_with("does not match\n")),
        (1, true),
        "{run:?}"
    );
    let bad = cli
        .run(&[
            "filter",
            "test",
            "--filter",
            r#"{"new_image": {"status": 1}}"#,
            "--record",
            other,
        ])
        .await;
    assert_eq!(bad.code, 1);
    assert!(
        bad.err.contains("\n  filter_criteria.new_image.status: "),
        "{}",
        bad.err
    );
    server.kill().await;
}
