//! The two shell scripts, against a server that runs.

use std::path::Path;
use std::process::Stdio;

use conduit_testkit::servers::unique_database_name;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::program::PATIENCE;
use crate::server::Server;

fn script(name: &str, server: &str, arguments: &[&str]) -> Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let mut command = Command::new("bash");
    command.arg(path).args(arguments).env("CONDUIT_URL", server);
    for name in ["CONDUIT_API_TOKEN", "REDIS_URI"] {
        command.env_remove(name);
    }
    command.kill_on_drop(true);
    command
}

async fn run(name: &str, server: &str, arguments: &[&str]) -> (bool, String, String) {
    let output = timeout(PATIENCE, script(name, server, arguments).output())
        .await
        .unwrap()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn create_table_makes_what_it_is_asked_for_and_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&unique_database_name(), folder.path()).await;
    let arguments = [
        "--primary-key",
        "pk",
        "--sort-key",
        "sk",
        "--old-image",
        "--unprotected",
        "orders",
        "http://127.0.0.1:9/hook",
    ];
    let (well, printed, said) = run("create_table.sh", &server.base, &arguments).await;
    assert!(well, "{said}");
    let printed: Value = serde_json::from_str(&printed).unwrap();
    let (_, stored) = server.call("GET", "/api/collections/orders", None).await;
    assert_eq!(printed, stored);
    for (field, wanted) in [
        ("primary_key", json!("pk")),
        ("sort_key", json!("sk")),
        ("old_image", json!(true)),
        ("deletion_protection", json!(false)),
        ("stream_enabled", json!(true)),
    ] {
        assert_eq!(stored[field], wanted, "{field}");
    }
    assert_eq!(stored["destinations"][0]["endpoint"], "http://127.0.0.1:9/hook");

    // WHEN it is made twice, or wrong, THEN the script fails and says why, each fault on a line.
    let (well, _, said) = run("create_table.sh", &server.base, &arguments).await;
    assert!(!well && said.contains("409"), "{said}");
    let (well, _, said) = run("create_table.sh", &server.base, &["others", "ftp://host/"]).await;
    assert!(!well && said.contains("destinations[0].endpoint: "), "{said}");
    let (well, _, said) = run("create_table.sh", "http://127.0.0.1:9", &["others"]).await;
    assert!(!well && said.contains("is the server running?"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn monitor_queues_shows_each_destination_once_or_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&unique_database_name(), folder.path()).await;
    let (well, printed, _) = run("monitor_queues.sh", &server.base, &[]).await;
    assert!(
        well && printed.contains("(no collection is configured)"),
        "{printed}"
    );

    let destination = json!({"id": "hook", "type": "http", "endpoint": "http://127.0.0.1:9/hook"});
    let collection =
        json!({"collection_name": "orders", "stream_enabled": true, "destinations": [destination]});
    let (status, answer) = server.call("POST", "/api/collections", Some(&collection)).await;
    assert_eq!(status, 201, "{answer}");
    let (well, printed, _) = run("monitor_queues.sh", &server.base, &[]).await;
    let row: Vec<&str> = printed.lines().nth(1).unwrap().split_whitespace().collect();
    assert!(well && printed.starts_with("COLLECTION"), "{printed}");
    assert_eq!(row[..2], ["orders", "hook"], "{printed}");

    let mut process = script("monitor_queues.sh", &server.base, &["1"]);
    let mut process = process.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut tables = 0;
    while tables < 2 {
        let line = timeout(PATIENCE, lines.next_line())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        tables += usize::from(line.starts_with("COLLECTION"));
    }
    process.kill().await.unwrap();
}
