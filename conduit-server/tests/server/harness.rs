//! A server process, what it needs, and a client of its API.

use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, Request, StatusCode};
use bson::{Document, doc};
use conduit_testkit::receiver::Receiver;
use conduit_testkit::servers::{RedisServer, shared_mongodb_uri, unique_database_name};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use mongodb::{Collection, Database};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// How long anything may take before a test has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The servers that a Conduit needs: MongoDB shared with other tests but for the database, Redis of its own.
pub(crate) struct World {
    pub(crate) mongodb_uri: String,
    pub(crate) database: Database,
    pub(crate) redis: RedisServer,
    pub(crate) folder: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::on(shared_mongodb_uri().await).await
    }

    pub(crate) async fn on(mongodb_uri: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let state = folder.path().join("redis");
        std::fs::create_dir(&state).unwrap();
        // With an append-only file, so that a test can kill it.
        let redis = RedisServer::start_in(&state).await.unwrap();
        let client = mongodb::Client::with_uri_str(mongodb_uri).await.unwrap();
        let database = client.database(&unique_database_name());
        Self {
            mongodb_uri: mongodb_uri.to_owned(),
            database,
            redis,
            folder,
        }
    }

    pub(crate) fn collection(&self, name: &str) -> Collection<Document> {
        self.database.collection(name)
    }

    /// Starts a server and waits until it is ready.
    pub(crate) async fn start(&self, role: &str) -> Server {
        self.start_with(role, &[]).await
    }

    pub(crate) async fn start_with(&self, role: &str, variables: &[(&str, &str)]) -> Server {
        let server = self.spawn(role, variables);
        server.until_ready().await;
        server
    }

    /// Starts a server without waiting.
    pub(crate) fn spawn(&self, role: &str, variables: &[(&str, &str)]) -> Server {
        let launch = Launch {
            program: env!("CARGO_BIN_EXE_conduit-server").into(),
            folder: self.folder.path().to_owned(),
            mongodb_uri: self.mongodb_uri.clone(),
            database: self.database.name().to_owned(),
            redis_uri: self.redis.uri(),
        };
        launch.spawn(role, variables)
    }
}

/// What server processes are started with.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) mongodb_uri: String,
    pub(crate) database: String,
    pub(crate) redis_uri: String,
}

impl Launch {
    /// Starts a server without waiting.
    pub(crate) fn spawn(&self, role: &str, variables: &[(&str, &str)]) -> Server {
        let port = free_port();
        let log = self.folder.join(format!("{role}-{port}.log"));
        let output = log.with_extension("out");
        let mut command = Command::new(&self.program);
        let own = [
            "MONGODB_URI",
            "MONGODB_DATABASE",
            "REDIS_URI",
            "CONDUIT_STATE",
            "CONDUIT_API_TOKEN",
            "CONDUIT_API_READ_TOKEN",
            "CONDUIT_EGRESS",
            "CONDUIT_FILE_DIR",
            "CONDUIT_SECRET_KEY",
            "CONDUIT_SECRETS_DIR",
            "HOST",
        ];
        for name in own {
            command.env_remove(name);
        }
        command
            .arg(role)
            .current_dir(&self.folder)
            .env("MONGODB_URI", &self.mongodb_uri)
            .env("MONGODB_DATABASE", &self.database)
            .env("REDIS_URI", &self.redis_uri)
            .env(
                if role == "worker" { "WORKER_PORT" } else { "PORT" },
                port.to_string(),
            )
            .env("RUST_LOG", "info")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(File::create(&output).unwrap())
            .stderr(File::create(&log).unwrap())
            .kill_on_drop(true);
        let process = command.spawn().unwrap();
        Server {
            process,
            api: Api::at(port),
            log,
            output,
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Sends a signal, named as `kill` has it.
pub(crate) fn signal(pid: u32, name: &str) {
    let mut command = std::process::Command::new("kill");
    let sent = command
        .args([&format!("-{name}"), &pid.to_string()])
        .status()
        .unwrap();
    assert!(sent.success(), "{name} to {pid}");
}

/// A running server process.
pub(crate) struct Server {
    process: Child,
    pub(crate) api: Api,
    log: PathBuf,
    output: PathBuf,
}

impl Server {
    pub(crate) async fn until_ready(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok((StatusCode::OK, _)) = self.api.try_call("GET", "/ready", None).await {
                return;
            }
            assert!(Instant::now() < deadline, "never ready:\n{}", self.log());
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn log(&self) -> String {
        let mut text = String::new();
        File::open(&self.log).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    /// What it wrote on its standard output.
    pub(crate) fn output(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap()
    }

    /// How much memory it has in use.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.process.id().unwrap());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.unwrap().trim().trim_end_matches("kB").trim();
        kilobytes.parse::<u64>().unwrap() * 1024
    }

    /// Ends it as a crash does.
    pub(crate) async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id().unwrap()
    }

    /// Asks it to stop and waits for its end.
    pub(crate) async fn stop(self) -> ExitStatus {
        self.stop_and_log().await.0
    }

    /// The same, with what it logged.
    pub(crate) async fn stop_and_log(mut self) -> (ExitStatus, String) {
        signal(self.pid(), "TERM");
        let ended = tokio::time::timeout(PATIENCE, self.process.wait()).await;
        let ended = ended.unwrap_or_else(|_| panic!("does not stop:\n{}", self.log()));
        (ended.unwrap(), self.log())
    }

    /// Waits for the end that it comes to by itself.
    pub(crate) async fn ended(mut self) -> (ExitStatus, String) {
        let ended = tokio::time::timeout(PATIENCE, self.process.wait()).await;
        (ended.unwrap().unwrap(), self.log())
    }
}

/// A client of the REST API.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) base: String,
    token: Option<String>,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Api {
    pub(crate) fn at(port: u16) -> Self {
        let base = format!("http://127.0.0.1:{port}");
        Self {
            base,
            token: None,
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    /// Calls and returns the answer's status, headers and text.
    pub(crate) async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<(StatusCode, HeaderMap, String), hyper_util::client::legacy::Error> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = self
            .client
            .request(request.body(Full::new(Bytes::from(body))).unwrap())
            .await?;
        let (parts, body) = response.into_parts();
        let bytes = body
            .collect()
            .await
            .map(|body| body.to_bytes())
            .unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok((parts.status, parts.headers, text))
    }

    /// Sends a request with headers of its own.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (StatusCode, HeaderMap, String) {
        let sent = self.try_send(method, path, headers, body.as_bytes().to_vec());
        sent.await.unwrap()
    }

    /// Calls and returns the answer's status, content type and text.
    pub(crate) async fn try_typed(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, String, String), hyper_util::client::legacy::Error> {
        let typed = [("content-type", content_type)];
        let headers = if body.is_empty() { &[][..] } else { &typed[..] };
        let (status, headers, text) = self.try_send(method, path, headers, body).await?;
        Ok((status, header(&headers, "content-type"), text))
    }

    /// Calls and returns the answer's status and its body, which may go on for long.
    pub(crate) async fn stream(&self, path: &str) -> (StatusCode, Incoming) {
        let mut request = Request::builder().uri(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = self.client.request(request.body(Full::default()).unwrap());
        let response = response.await.unwrap();
        (response.status(), response.into_body())
    }

    pub(crate) async fn try_text(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, String), hyper_util::client::legacy::Error> {
        let (status, _, text) = self.try_typed(method, path, content_type, body).await?;
        Ok((status, text))
    }

    pub(crate) async fn try_call(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<(StatusCode, Value), hyper_util::client::legacy::Error> {
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let (status, text) = self.try_text(method, path, "application/json", body).await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        self.try_call(method, path, body).await.unwrap()
    }

    /// Calls and expects a status.
    pub(crate) async fn expect(&self, status: u16, method: &str, path: &str, body: Option<Value>) -> Value {
        let (got, answer) = self.call(method, path, body).await;
        assert_eq!(got.as_u16(), status, "{method} {path}: {answer}");
        if status >= 400 {
            assert_eq!(answer["status"], status, "{answer}");
            assert!(
                answer["code"].is_string() && answer["detail"].is_string(),
                "{answer}"
            );
        }
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.expect(200, "GET", path, None).await
    }

    pub(crate) async fn create(&self, body: Value) -> Value {
        self.expect(201, "POST", "/api/collections", Some(body)).await
    }

    pub(crate) async fn patch(&self, name: &str, body: Value) -> Value {
        self.expect(200, "PATCH", &format!("/api/collections/{name}"), Some(body))
            .await
    }

    /// Looks at a destination's status until it is as wanted.
    pub(crate) async fn until_status(
        &self,
        collection: &str,
        id: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self
                .try_call("GET", &format!("/api/collections/{collection}/status"), None)
                .await;
            let status = answer.map(|(_, answer)| answer).unwrap_or_default();
            let empty = Vec::new();
            let all = status["destinations"].as_array().unwrap_or(&empty);
            if let Some(found) = all.iter().find(|d| d["id"] == id && wanted(d)) {
                return found.clone();
            }
            assert!(Instant::now() < deadline, "never as wanted: {status}");
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A streaming collection with one destination called `d`.
pub(crate) fn streaming(name: &str, receiver: &Receiver) -> Value {
    json!({
        "collection_name": name, "stream_enabled": true, "deletion_protection": false,
        "destinations": [{"id": "d", "type": "http", "endpoint": receiver.url()}],
    })
}

/// Inserts a document with this `_id` and `value`.
pub(crate) async fn insert(collection: &Collection<Document>, id: &str, value: i64) {
    collection
        .insert_one(doc! { "_id": id, "value": value })
        .await
        .unwrap();
}

/// A header of an answer; empty if it is not there.
pub(crate) fn header(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).map(|value| value.to_str().unwrap());
    value.unwrap_or_default().to_owned()
}

/// The places that an answer finds fault with.
pub(crate) fn faulty_fields(answer: &Value) -> Vec<&str> {
    let faults = answer["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    faults
        .iter()
        .filter_map(|fault| fault["field"].as_str())
        .collect()
}
