use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use conduit_testkit::receiver::{Answer, Receiver};
use serde_json::json;

use super::program::Cli;
use crate::dead_letters::letters;
use crate::harness::{World, insert};

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_sent_again_and_dropped() {
    let receiver = Receiver::start().await;
    let is_broken = Arc::new(AtomicBool::new(true));
    let broken = Arc::clone(&is_broken);
    receiver.answer_with(move |_| Answer::Status(if broken.load(Ordering::SeqCst) { 400 } else { 204 }));
    let world = World::new().await;
    let server = world.start("run").await;
    let cli = Cli::of(&server, world.folder.path());
    let destination =
        |id: &str| json!({"id": id, "type": "http", "endpoint": receiver.url(), "max_retries": 0});
    server
        .api
        .create(json!({
            "collection_name": "orders", "stream_enabled": true, "destinations": [destination("a"), destination("b")],
        }))
        .await;
    assert_eq!(
        cli.out(&["dlq", "list", "orders"]).await,
        "orders has no dead letters.\n"
    );
    for id in ["1", "2", "3"] {
        insert(&world.collection("orders"), id, 7).await;
    }
    // A status may count what the next commit stores.
    letters(&server.api, |letters| letters.len() == 6).await;
    let table = cli.out(&["dlq", "list", "orders", "--destination", "b"]).await;
    let lines: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0][..4], ["ID", "DESTINATION", "TYPE", "KEYS"]);
    // Whose turn came first is open: they are of different documents.
    let mut letters: Vec<&[&str]> = lines[1..].iter().map(|line| &line[1..5]).collect();
    letters.sort_unstable();
    let wanted = |keys| ["b", "INSERT", keys, "1"];
    let wanted = [r#"{"_id":"1"}"#, r#"{"_id":"2"}"#, r#"{"_id":"3"}"#].map(wanted);
    assert_eq!(letters, wanted, "{table}");
    let all = cli.json(&["dlq", "list", "orders", "--json"]).await;
    assert_eq!(all, server.api.get("/api/collections/orders/dlq").await["items"]);
    let first = cli.run(&["dlq", "list", "orders", "--limit", "4"]).await;
    assert_eq!((first.out.lines().count(), first.code), (5, 0));
    assert_eq!(first.err, "there are more than these 4: --limit shows more\n");

    is_broken.store(false, Ordering::SeqCst);
    let redriven = cli.out(&["dlq", "redrive", "orders", "--destination", "a"]).await;
    assert_eq!(redriven, "3 sent again\n");
    server
        .api
        .until_status("orders", "a", |status| status["dlq_length"] == 0)
        .await;

    let id = cli.json(&["dlq", "list", "orders", "--json"]).await[0]["id"].to_string();
    let one = cli.out(&["dlq", "purge", "orders", "--ids", &id]).await;
    assert_eq!(one, "1 dropped\n");
    let rest = cli.json(&["dlq", "purge", "orders", "--yes", "--json"]).await;
    assert_eq!(rest, json!({"purged": 2}));
    server.kill().await;
}
