//! Marked secrets everywhere, and a look for them at everything that comes out.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use axum::http::StatusCode;
use bson::{Document, doc};
use conduit_testkit::receiver::{Answer, Received, Receiver};
use futures_util::TryStreamExt;
use serde_json::{Value, json};

use crate::harness::{Api, Server, World, insert};
use crate::looker::Looker;

/// In every secret.
const MARK: &str = "MARKED";
/// In the query of an endpoint, which the configuration shows, and nothing else does.
const QUERY_MARK: &str = "QUERIED";
const KEY: &str = "MARKEDkeyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const ADMIN: &str = "MARKED-admin";
const READER: &str = "MARKED-reader";
const PASSWORD: &str = "MARKED-password";

/// Everything that the API answered.
struct Listener {
    api: Api,
    heard: Mutex<Vec<String>>,
}

impl Listener {
    async fn call(&self, method: &str, path: &str, body: impl Into<Vec<u8>>) -> (StatusCode, String) {
        let answer = self
            .api
            .try_typed(method, path, "application/json", body.into())
            .await;
        let (status, _, text) = answer.unwrap();
        self.note(format!("{method} {path}: {status} {text}"));
        (status, text)
    }

    async fn expect(&self, status: u16, method: &str, path: &str, body: &Value) -> Value {
        let (got, text) = self.call(method, path, body.to_string()).await;
        assert_eq!(got.as_u16(), status, "{method} {path}: {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn note(&self, text: String) {
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(text);
    }
}

/// An endpoint that repeats what it was sent, in every way that it can fail.
fn echo(request: &Received) -> Answer {
    let names = request.header_names();
    let told = names.iter().filter_map(|name| request.header(name));
    let told = told.collect::<Vec<_>>().join("\n");
    let authorization = request.header("authorization").unwrap_or("-");
    let token = authorization.trim_start_matches("Bearer ");
    match request.target().split('?').next().unwrap_or_default() {
        "/refuses" => Answer::with_body(400, format!("you sent {told}")),
        "/fails" => Answer::with_body(500, json!({"error": told, "token": token}).to_string()),
        "/moved" => Answer::with_header(302, "location", &format!("http://127.0.0.1:9/{token}")),
        "/denies" => Answer::with_header(401, "www-authenticate", authorization),
        "/breaks" => Answer::CloseBeforeAnswer,
        "/hangs" => Answer::Hang,
        "/stops" => Answer::HeadOnly(100),
        // Meilisearch, EventBridge.
        _ => Answer::with_body(
            403,
            json!({"message": told, "code": "invalid_api_key", "type": token, "__type": told}).to_string(),
        ),
    }
}

fn destinations(receiver: &Receiver) -> Value {
    let url = receiver.url();
    let http = |id: &str, endpoint: String| {
        json!({
            "id": id, "type": "http", "endpoint": endpoint, "max_retries": 0, "timeout": "500ms",
            "bearer_token": "MARKED-bearer", "headers": {"x-key": "MARKED-header"},
            "signing_secret": ["whsec_MARKEDsigningAAAAAAAAAAAAAAAAAAA", "MARKEDbeforeAAAAAAAAAAAAAAAAAAAA"],
        })
    };
    let mut destinations: Vec<Value> = ["refuses", "fails", "moved", "denies", "breaks", "hangs", "stops"]
        .iter()
        .map(|id| http(id, format!("{url}/{id}?key={QUERY_MARK}-{id}")))
        .collect();
    destinations.push(http("unreachable", "http://127.0.0.1:9/".to_owned()));
    destinations.push(http("untrusted", url.replace("http://", "https://")));
    let mut referring = http("referring", format!("{url}/refuses"));
    referring["bearer_token"] = json!({"env": "CONDUIT_DEST_TOKEN"});
    referring["signing_secret"] = json!({"file": "signing"});
    referring["headers"] = json!({"x-key": {"file": "header"}});
    destinations.push(referring);
    destinations.push(json!({
        "id": "search", "type": "meilisearch", "endpoint": url, "bearer_token": "MARKED-search", "max_retries": 0,
    }));
    destinations.push(json!({
        "id": "bus", "type": "eventbridge", "event_bus_name": "b", "region": "us-east-1", "endpoint": url,
        "max_retries": 0,
    }));
    destinations.push(json!({"id": "lines", "type": "stdout"}));
    json!(destinations)
}

/// Bodies that are refused, each with a secret in it.
fn wrong_bodies() -> Vec<String> {
    let mut bodies = vec![
        r#"{"collection_name": "x", "destinations": [{"bearer_token": "MARKED-cut"#.to_owned(),
        r#"{"destinations": [{"bearer_token": "MARKED-escape \x"}]}"#.to_owned(),
        r#""MARKED-text""#.to_owned(),
    ];
    for (field, value) in [
        ("bearer_token", json!(["MARKED-list"])),
        ("bearer_token", json!("MARKED two words")),
        ("bearer_token", json!("MARKED\u{0}")),
        ("bearer_token", json!({"env": "MARKED"})),
        ("bearer_token", json!({"file": "../MARKED"})),
        ("bearer_token", json!({"vault": "MARKED"})),
        ("signing_secret", json!("MARKED-short")),
        ("signing_secret", json!(["MARKED", {"env": "MARKED"}])),
        ("signing_secret", json!({"MARKED": "MARKED"})),
        ("headers", json!({"x-key": "MARKED\nline"})),
        ("headers", json!({"host": "MARKED"})),
        ("headers", json!({"x-key": ["MARKED"]})),
        ("headers", json!(["MARKED"])),
        ("endpoint", json!("http://user:MARKED@127.0.0.1/")),
        ("endpoint", json!("http://127.0.0.1:MARKED/")),
        ("endpoint", json!("MARKED://127.0.0.1/")),
        ("endpoint", json!("http://127.0.0.1/#MARKED")),
        ("timeout", json!("MARKED")),
        ("max_retries", json!("MARKED")),
        ("batch", json!("MARKED")),
        ("batch", json!({"max_records": "MARKED", "max_wait": "MARKED"})),
        ("format", json!("MARKED")),
    ] {
        let mut destination = json!({"id": "d", "type": "http", "endpoint": "http://127.0.0.1:9/"});
        destination[field] = value;
        bodies.push(json!({"collection_name": "wrong", "destinations": [destination]}).to_string());
    }
    bodies.push("MARKED".repeat(300_000));
    bodies
}

/// Everything under a folder: logs, what was written on standard output, what Redis was told since its start.
fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push((path.display().to_string(), fs::read(path).unwrap()));
        }
    }
}

fn assert_unmarked(what: &str, bytes: &[u8], marks: &[&str]) {
    for mark in marks {
        let place = bytes
            .windows(mark.len())
            .position(|window| window == mark.as_bytes());
        if let Some(place) = place {
            let around = bytes
                .get(place.saturating_sub(300)..bytes.len().min(place + 100))
                .unwrap_or_default();
            panic!("{what} has a secret: {}", String::from_utf8_lossy(around));
        }
    }
}

/// Users of MongoDB and Redis with passwords; nobody else needs one.
async fn set_passwords(world: &World) -> (String, String) {
    let create = doc! { "createUser": "conduit", "pwd": PASSWORD, "roles": ["readWrite"] };
    world.database.run_command(create).await.unwrap();
    let redis_uri = world.redis.uri();
    let client = redis::Client::open(redis_uri.as_str()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut set = redis::cmd("CONFIG");
    set.arg(&["SET", "requirepass", PASSWORD]);
    set.query_async::<()>(&mut connection).await.unwrap();
    let rest = world.mongodb_uri.trim_start_matches("mongodb://");
    let (hosts, options) = rest.split_once("/?").unwrap_or((rest.trim_end_matches('/'), ""));
    let name = world.database.name();
    (
        format!("mongodb://conduit:{PASSWORD}@{hosts}/?authSource={name}&{options}"),
        redis_uri.replace("redis://", &format!("redis://:{PASSWORD}@")),
    )
}

async fn walk_through(api: &Listener, receiver: &Receiver, world: &World) {
    let create = json!({
        "collection_name": "orders", "stream_enabled": true, "deletion_protection": false,
        "destinations": destinations(receiver),
    });
    api.expect(201, "POST", "/api/collections", &create).await;
    api.expect(409, "POST", "/api/collections", &create).await;
    for body in wrong_bodies() {
        for (method, path) in [
            ("POST", "/api/collections"),
            ("PUT", "/api/collections/orders"),
            ("PATCH", "/api/collections/orders"),
            ("POST", "/api/collections/orders/dlq/redrive"),
            ("POST", "/api/collections/orders/rewind"),
            ("POST", "/api/filters/test"),
        ] {
            let (status, text) = api.call(method, path, body.clone()).await;
            assert!(status.is_client_error(), "{method} {path}: {status} {text}");
        }
    }
    let mut looker = Looker::at(&api.api, "").await;
    let orders = world.collection("orders");
    for id in ["a", "b", "c"] {
        insert(&orders, id, 1).await;
    }
    // Each fails in its own way, or gets all.
    let all = destinations(receiver);
    for destination in all.as_array().unwrap() {
        let id = destination["id"].as_str().unwrap();
        let has_failed = |status: &Value| !status["last_error"].is_null() || status["delivered"] == 3;
        api.api.until_status("orders", id, has_failed).await;
    }
    let has_lines = |status: &Value| status["delivered"] == 3;
    api.api.until_status("orders", "lines", has_lines).await;
    let has_died = |status: &Value| status["dlq_length"] == 3;
    api.api.until_status("orders", "refuses", has_died).await;
    let mut dead = 0;
    while dead < 3 {
        let (_, told) = looker.next().await.unwrap();
        dead += usize::from(told["destination"] == "refuses" && told["outcome"] == "dead_lettered");
        api.note(told.to_string());
    }
    api.expect(
        202,
        "POST",
        "/api/collections/orders/dlq/redrive",
        &json!({"destination": "refuses"}),
    )
    .await;
    api.api.until_status("orders", "refuses", has_died).await;
    let shown = api
        .expect(200, "GET", "/api/collections/orders", &json!(null))
        .await;
    api.expect(
        200,
        "PUT",
        "/api/collections/orders?dry_run=true",
        &json!({"stream_enabled": true, "destinations": destinations(receiver)}),
    )
    .await;
    api.expect(200, "POST", "/api/collections/orders/test", &json!({}))
        .await;
    api.expect(200, "PUT", "/api/collections/orders", &shown).await;
    let patch = json!({"deletion_protection": true});
    api.expect(200, "PATCH", "/api/collections/orders", &patch).await;
    for action in ["pause", "resume"] {
        let path = format!("/api/collections/orders/{action}?destination=refuses");
        api.call("POST", &path, "").await;
    }
    for path in [
        "/api/collections",
        "/api/status",
        "/api/collections/orders/status",
        "/api/collections/orders/dlq",
        "/health",
        "/ready",
        "/metrics",
        "/api/doctor",
        "/openapi.json",
        "/docs",
        "/",
        "/nothing",
    ] {
        api.call("GET", path, "").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_marked_secrets_shows_none_of_them() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    receiver.answer_with(echo);
    let folder = tempfile::TempDir::new().unwrap();
    fs::write(
        folder.path().join("signing"),
        "MARKEDfileAAAAAAAAAAAAAAAAAAAAAA\n",
    )
    .unwrap();
    fs::write(folder.path().join("header"), "MARKED-file\n").unwrap();
    let (mongodb_uri, redis_uri) = set_passwords(&world).await;
    let variables = [
        ("MONGODB_URI", mongodb_uri.as_str()),
        ("REDIS_URI", redis_uri.as_str()),
        ("HOST", "127.0.0.1"),
        ("CONDUIT_API_TOKEN", ADMIN),
        ("CONDUIT_API_READ_TOKEN", READER),
        ("CONDUIT_SECRET_KEY", KEY),
        ("CONDUIT_SECRETS_DIR", folder.path().to_str().unwrap()),
        ("CONDUIT_DEST_TOKEN", "MARKED-variable"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "MARKED-aws"),
        ("AWS_SESSION_TOKEN", "MARKED-session"),
        ("RUST_LOG", "trace"),
        ("RUST_BACKTRACE", "full"),
    ];
    let api = world.start_with("api", &variables).await;
    let in_json = [&variables[..], &[("LOG_FORMAT", "json")]].concat();
    let worker = world.start_with("worker", &in_json).await;
    let listener = Listener {
        api: api.api.with_token(ADMIN),
        heard: Mutex::default(),
    };
    walk_through(&listener, &receiver, &world).await;
    for (token, path) in [
        ("MARKED-wrong", "/api/status"),
        (READER, "/api/collections/orders"),
    ] {
        let (status, _, text) = api
            .api
            .with_token(token)
            .try_typed("DELETE", path, "application/json", Vec::new())
            .await
            .unwrap();
        assert!(matches!(status.as_u16(), 401 | 403), "{status}");
        listener.note(text);
    }
    for path in ["/health", "/ready", "/metrics"] {
        let (_, _, text) = worker
            .api
            .try_typed("GET", path, "application/json", Vec::new())
            .await
            .unwrap();
        listener.note(text);
    }
    let sent = receiver.received();
    let was_sent = |header: &str, secret: &str| {
        let has = |request: &&std::sync::Arc<Received>| {
            request.header(header).is_some_and(|value| value.contains(secret))
        };
        assert!(
            sent.iter().any(|request| has(&request)),
            "{header} was never sent"
        );
    };
    was_sent("authorization", "MARKED-bearer");
    was_sent("authorization", "MARKED-variable");
    was_sent("authorization", "MARKED-search");
    was_sent("x-key", "MARKED-file");
    was_sent("x-amz-security-token", "MARKED-session");
    let entries = world.database.collection::<Document>("config.collections");
    let stored: Vec<Document> = entries.find(doc! {}).await.unwrap().try_collect().await.unwrap();
    assert!(format!("{stored:?}").contains("conduit:sealed"));
    assert_unmarked("config.collections", format!("{stored:?}").as_bytes(), &[MARK]);
    let heard = listener
        .heard
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    for answer in &heard {
        let is_configuration = answer.contains("\"endpoint\"");
        let marks = if is_configuration {
            &[MARK][..]
        } else {
            &[MARK, QUERY_MARK]
        };
        assert_unmarked("an answer", answer.as_bytes(), marks);
    }
    let worker_log = worker.log();
    end(api).await;
    end(worker).await;
    let has = |line: &str, target: &str| line.contains(&format!("\"target\":\"{target}"));
    for (target, level) in [("aws_", "DEBUG"), ("conduit_", "WARN")] {
        let mut lines = worker_log.lines();
        assert!(
            lines.any(|line| has(line, target) && line.contains(level)),
            "{target} says nothing"
        );
    }
    let mut found = Vec::new();
    files(world.folder.path(), &mut found);
    let is_found = |part: &str| {
        found
            .iter()
            .any(|(name, bytes)| name.contains(part) && !bytes.is_empty())
    };
    assert!(
        is_found("api-") && is_found("worker-") && is_found(".aof"),
        "nothing to look at"
    );
    for (name, bytes) in &found {
        assert_unmarked(name, bytes, &[MARK, QUERY_MARK]);
    }
}

async fn end(server: Server) {
    assert!(server.stop().await.success());
}
