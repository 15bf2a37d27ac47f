use bson::{Document, doc};
use conduit_testkit::servers::{shared_mongodb_uri, unique_database_name};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::program::PATIENCE;
use crate::server::Server;

const TOKEN: &str = "hunter2";

/// Starts a line log; its lines come out of the channel.
async fn start_log() -> (String, mpsc::Receiver<String>) {
    let (arrived, lines) = mpsc::channel(100);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    // Lives as long as the test's runtime.
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let arrived = arrived.clone();
            tokio::spawn(async move {
                let (mut stream, mut line) = (BufStream::new(stream), String::new());
                while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                    arrived.send(std::mem::take(&mut line)).await.unwrap();
                    if stream.write_all(b"OK\n").await.is_err() || stream.flush().await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, lines)
}

fn orders(destination: Value) -> Value {
    json!({"collection_name": "orders", "stream_enabled": true, "destinations": [destination]})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_of_the_hosts_own_is_configured_masked_and_delivered_to_like_any_other() {
    let (address, mut lines) = start_log().await;
    let folder = tempfile::tempdir().unwrap();
    let database = unique_database_name();
    let mut server = Server::start(&database, folder.path()).await;

    // WHEN a field is wrong, THEN the answer names it, each fault at once.
    for (wrong, places) in [
        (
            json!({"type": "line-log", "address": "logs", "token": TOKEN}),
            vec!["address"],
        ),
        (
            json!({"type": "line-log", "timeout": "2m"}),
            vec!["address", "token", "timeout"],
        ),
        (
            json!({"type": "line-log", "address": "a:1", "token": TOKEN, "adress": "a:1"}),
            vec!["adress"],
        ),
        (
            json!({"type": "line-lag", "address": "a:1", "token": TOKEN}),
            vec!["type"],
        ),
    ] {
        let (status, answer) = server
            .call("POST", "/api/collections", Some(&orders(wrong)))
            .await;
        assert_eq!(status, 400, "{answer}");
        let faults = answer["errors"].as_array().unwrap();
        let named: Vec<&str> = faults
            .iter()
            .map(|fault| fault["field"].as_str().unwrap())
            .collect();
        let expected: Vec<String> = places
            .iter()
            .map(|place| format!("destinations[0].{place}"))
            .collect();
        assert_eq!(named, expected, "{answer}");
    }

    // WHEN it is right, THEN it is taken, and shown with its defaults and without its secret.
    let right = orders(json!({"id": "log", "type": "line-log", "address": address, "token": TOKEN}));
    let (status, created) = server.call("POST", "/api/collections", Some(&right)).await;
    assert_eq!(status, 201, "{created}");
    let (_, shown) = server.call("GET", "/api/collections/orders", None).await;
    assert!(
        !created.to_string().contains(TOKEN) && !shown.to_string().contains(TOKEN),
        "the secret is shown: {shown}"
    );
    let destination = &shown["destinations"][0];
    assert_eq!(destination["type"], "line-log");
    assert_eq!(destination["address"], *address);
    assert_eq!(
        (&destination["token"], &destination["timeout"]),
        (&json!("********"), &json!("10s"))
    );

    // WHEN a document is written, THEN its record is a line of the log, after the token that was given.
    let client = mongodb::Client::with_uri_str(shared_mongodb_uri().await)
        .await
        .unwrap();
    let collection = client.database(&database).collection::<Document>("orders");
    collection
        .insert_one(doc! {"_id": "order-1", "total": 12})
        .await
        .unwrap();
    assert_eq!(next(&mut lines).await, format!("AUTH {TOKEN}\n"));
    let record: Value = serde_json::from_str(&next(&mut lines).await).unwrap();
    assert_eq!(
        (&record["recordType"], &record["newImage"]["total"]),
        (&json!("INSERT"), &json!(12))
    );

    // WHEN what GET showed is sent back with another field, THEN the secret stays, and is what the
    // next process finds.
    let mut changed = shown["destinations"].clone();
    changed[0]["timeout"] = json!("5s");
    let (status, answer) = server
        .call(
            "PATCH",
            "/api/collections/orders",
            Some(&json!({"destinations": changed})),
        )
        .await;
    assert_eq!(status, 200, "{answer}");
    server.process.kill().await.unwrap();
    let _server = Server::start(&database, folder.path()).await;
    collection
        .insert_one(doc! {"_id": "order-2", "total": 13})
        .await
        .unwrap();
    assert_eq!(next(&mut lines).await, format!("AUTH {TOKEN}\n"));
    client.database(&database).drop().await.unwrap();
}

async fn next(lines: &mut mpsc::Receiver<String>) -> String {
    timeout(PATIENCE, lines.recv()).await.unwrap().unwrap()
}
