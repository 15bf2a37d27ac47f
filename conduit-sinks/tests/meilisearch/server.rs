//! The servers that tests run against: always the stub, and a real one where `MEILI_URL` names it (`http` only; its key in
//! `MEILI_MASTER_KEY`).

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use conduit_sinks::http::HttpClient;
use conduit_sinks::meilisearch::{MeilisearchConfig, MeilisearchSink, PRIMARY_KEY};
use conduit_testkit::meilisearch::{API_KEY, MeilisearchStub};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

/// A running Meilisearch, or something that claims to be one.
pub(crate) trait Server: Send + Sync {
    fn url(&self) -> String;

    /// The API key, if one is needed.
    fn key(&self) -> Option<String>;
}

impl Server for MeilisearchStub {
    fn url(&self) -> String {
        MeilisearchStub::url(self)
    }

    fn key(&self) -> Option<String> {
        Some(API_KEY.to_owned())
    }
}

struct Real;

impl Server for Real {
    fn url(&self) -> String {
        std::env::var("MEILI_URL").unwrap()
    }

    fn key(&self) -> Option<String> {
        std::env::var("MEILI_MASTER_KEY").ok()
    }
}

/// An index of the test's own on a server.
pub(crate) struct TestIndex<'a> {
    pub(crate) server: &'a dyn Server,
    pub(crate) name: String,
}

/// Runs a test against an index on each server.
pub(crate) async fn on_each_server(test: impl AsyncFn(&TestIndex<'_>)) {
    let stub = MeilisearchStub::start().await;
    let mut servers: Vec<Box<dyn Server>> = vec![Box::new(stub)];
    if std::env::var("MEILI_URL").is_ok() {
        servers.push(Box::new(Real));
    } else {
        println!("SKIPPED against a real server: MEILI_URL is not set");
    }
    for server in servers {
        let thread = std::thread::current();
        let test_name = thread
            .name()
            .unwrap_or("test")
            .rsplit("::")
            .next()
            .unwrap_or("test");
        let index = TestIndex {
            server: &*server,
            name: format!("conduit-{}-{test_name}", std::process::id()),
        };
        index.delete().await;
        test(&index).await;
        index.delete().await;
    }
}

impl TestIndex<'_> {
    pub(crate) fn config(&self) -> MeilisearchConfig {
        let config = MeilisearchConfig::new(self.server.url(), self.name.as_str());
        match self.server.key() {
            Some(key) => config.with_bearer_token(key),
            None => config,
        }
    }

    pub(crate) fn sink(&self) -> MeilisearchSink {
        sink(self.config())
    }

    /// The documents by their ids.
    pub(crate) async fn documents(&self) -> BTreeMap<String, Value> {
        let mut documents = BTreeMap::new();
        loop {
            let path = format!(
                "/indexes/{}/documents?limit=1000&offset={}",
                self.name,
                documents.len()
            );
            let (status, page) = self.ask("GET", &path, None).await;
            assert_eq!(status, 200, "{page}");
            for document in page["results"].as_array().unwrap() {
                let id = document[PRIMARY_KEY].as_str().unwrap().to_owned();
                documents.insert(id, document.clone());
            }
            if documents.len() as u64 >= page["total"].as_u64().unwrap() {
                return documents;
            }
        }
    }

    pub(crate) async fn settings(&self) -> Value {
        let path = format!("/indexes/{}/settings", self.name);
        self.ask("GET", &path, None).await.1
    }

    /// The primary key, `Null` if there is none; `None` if there is no index.
    pub(crate) async fn primary_key(&self) -> Option<Value> {
        let (status, index) = self.ask("GET", &format!("/indexes/{}", self.name), None).await;
        (status == 200).then(|| index["primaryKey"].clone())
    }

    pub(crate) async fn create(&self, primary_key: Option<&str>) {
        let body = json!({ "uid": self.name, "primaryKey": primary_key });
        self.run("POST", "/indexes", Some(body)).await;
    }

    pub(crate) async fn delete(&self) {
        self.run("DELETE", &format!("/indexes/{}", self.name), None).await;
    }

    /// Has a task done and waits for its end, however it ends.
    async fn run(&self, method: &str, path: &str, body: Option<Value>) {
        let (status, task) = self.ask(method, path, body).await;
        assert_eq!(status, 202, "{task}");
        let uid = task["taskUid"].as_u64().unwrap();
        for _ in 0..600 {
            let (_, task) = self.ask("GET", &format!("/tasks/{uid}"), None).await;
            if !matches!(task["status"].as_str(), Some("enqueued" | "processing")) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("task {uid} has not ended after 30 seconds");
    }

    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server.url()))
            .header("content-type", "application/json");
        if let Some(key) = self.server.key() {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let response = client
            .request(request.body(Full::from(body)).unwrap())
            .await
            .unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }
}

/// Makes a sink. The machine's certificates are read for it, which takes a while.
pub(crate) fn sink(config: MeilisearchConfig) -> MeilisearchSink {
    MeilisearchSink::with_client(
        config,
        HttpClient::new(conduit_sinks::egress::EgressPolicy::Any).unwrap(),
    )
    .unwrap()
}
