//! The example's own binary, started as a person starts it, with a MongoDB and a line log.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Request, StatusCode};
use bson::{Document, doc};
use conduit_testkit::servers::{shared_mongodb_uri, unique_database_name};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(60);
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

/// The example's server process, and how to call it.
struct Server {
    process: Child,
    base: String,
}

impl Server {
    /// Starts it with its state and its log in `folder`.
    async fn start(database: &str, folder: &Path) -> Self {
        // Beside the folder of this test's own binary; cargo builds examples with a package's tests,
        // but not with one that is named by `--test`.
        let own = std::env::current_exe().unwrap();
        let built: PathBuf = own.parent().and_then(|deps| deps.parent()).unwrap().to_owned();
        let program = built.join("examples").join("server_with_custom_sink");
        assert!(
            program.exists(),
            "not built: cargo build -p conduit-examples --examples"
        );
        let any = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = any.local_addr().unwrap().port();
        drop(any);
        let log = folder.join("log");
        let mut command = Command::new(program);
        for name in ["REDIS_URI", "CONDUIT_API_TOKEN", "CONDUIT_API_READ_TOKEN", "HOST"] {
            command.env_remove(name);
        }
        let process = command
            .env("MONGODB_URI", shared_mongodb_uri().await)
            .env("MONGODB_DATABASE", database)
            .env(
                "CONDUIT_STATE",
                format!("embedded:{}", folder.join("state").display()),
            )
            .env("PORT", port.to_string())
            .stdin(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let server = Self {
            process,
            base: format!("http://127.0.0.1:{port}"),
        };
        let deadline = Instant::now() + PATIENCE;
        while server
            .try_call("GET", "/ready", None)
            .await
            .is_none_or(|(status, _)| status != 200)
        {
            let log = || std::fs::read_to_string(&log).unwrap();
            assert!(Instant::now() < deadline, "the server is never ready:\n{}", log());
            sleep(Duration::from_millis(20)).await;
        }
        server
    }

    async fn try_call(&self, method: &str, path: &str, body: Option<&Value>) -> Option<(StatusCode, String)> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("content-type", "application/json");
        let body = body.map(Value::to_string).unwrap_or_default();
        let client = Client::builder(TokioExecutor::new()).build_http();
        let answer = client
            .request(request.body(Full::new(Bytes::from(body))).unwrap())
            .await;
        let answer = answer.ok()?;
        let status = answer.status();
        let bytes = answer.into_body().collect().await.ok()?.to_bytes();
        Some((status, String::from_utf8_lossy(&bytes).into_owned()))
    }

    async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let (status, text) = self.try_call(method, path, body).await.unwrap();
        assert!(!text.contains(TOKEN), "the secret is shown: {text}");
        (status, serde_json::from_str(&text).unwrap())
    }
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
