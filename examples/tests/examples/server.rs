//! The server of `server_with_custom_sink`, which is the real one with a type more.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Request, StatusCode};
use conduit_testkit::servers::shared_mongodb_uri;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::program::{PATIENCE, built};

/// The example's server process, and how to call it.
pub(crate) struct Server {
    pub(crate) process: Child,
    pub(crate) base: String,
}

impl Server {
    /// Starts it with its state and its log in `folder`.
    pub(crate) async fn start(database: &str, folder: &Path) -> Self {
        let any = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = any.local_addr().unwrap().port();
        drop(any);
        let log = folder.join("log");
        let mut command = Command::new(built("server_with_custom_sink"));
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

    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let (status, text) = self.try_call(method, path, body).await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or_default())
    }
}
