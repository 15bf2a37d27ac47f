//! The Meilisearch that tests run against: a stub, or a real one where `MEILI_URL` names it (`http` only; its key in
//! `MEILI_MASTER_KEY`).

use std::collections::BTreeMap;

use conduit_testkit::meilisearch::{API_KEY, MeilisearchStub};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

use crate::harness::{Api, PATIENCE};

/// How many documents are read at once.
const PAGE: usize = 1000;

/// A server with an index of the test's own.
pub(crate) struct SearchServer {
    stub: Option<MeilisearchStub>,
    url: String,
    key: Option<String>,
    pub(crate) index_name: String,
    api: Api,
}

impl SearchServer {
    /// Starts a stub, unless there is a real server.
    pub(crate) async fn start(test_name: &str) -> Self {
        let Ok(url) = std::env::var("MEILI_URL") else {
            println!("SKIPPED against a real Meilisearch: MEILI_URL is not set");
            return Self::start_stub().await;
        };
        let key = std::env::var("MEILI_MASTER_KEY").ok();
        let index_name = format!("conduit-{}-{test_name}", std::process::id());
        let server = Self::at(url, key, index_name, None);
        server.delete_index().await;
        server
    }

    /// Starts a stub: for what a real server does not do when it is told.
    pub(crate) async fn start_stub() -> Self {
        let stub = MeilisearchStub::start().await;
        let key = Some(API_KEY.to_owned());
        Self::at(stub.url(), key, "found".to_owned(), Some(stub))
    }

    fn at(url: String, key: Option<String>, index_name: String, stub: Option<MeilisearchStub>) -> Self {
        let mut api = Api::at(0);
        api.base.clone_from(&url);
        Self {
            stub,
            url,
            api: key
                .as_ref()
                .map_or_else(|| api.clone(), |key| api.with_token(key)),
            key,
            index_name,
        }
    }

    /// The stub, if it is one.
    pub(crate) fn stub(&self) -> Option<&MeilisearchStub> {
        self.stub.as_ref()
    }

    /// A destination called `d`. It gives up no record before every fault of a test is over.
    pub(crate) fn destination(&self) -> Value {
        let mut destination = json!({
            "id": "d", "type": "meilisearch", "endpoint": self.url, "index_name": self.index_name, "max_retries": 20,
        });
        if let Some(key) = &self.key {
            destination["bearer_token"] = json!(key);
        }
        destination
    }

    /// A streaming collection whose one destination is the index.
    pub(crate) fn collection(&self, name: &str) -> Value {
        json!({
            "collection_name": name, "stream_enabled": true, "deletion_protection": false,
            "destinations": [self.destination()],
        })
    }

    /// Everything in the index, by the documents' ids; nothing if there is no index.
    pub(crate) async fn documents(&self) -> BTreeMap<String, Value> {
        let mut documents = BTreeMap::new();
        loop {
            let path = format!(
                "/indexes/{}/documents?limit={PAGE}&offset={}",
                self.index_name,
                documents.len()
            );
            let (status, page) = self.api.call("GET", &path, None).await;
            if status == 404 && page["code"] == "index_not_found" {
                return documents;
            }
            assert_eq!(status, 200, "{page}");
            let results = page["results"].as_array().unwrap();
            for document in results {
                let id = document["_conduit_id"].as_str().unwrap().to_owned();
                documents.insert(id, document.clone());
            }
            // What comes or goes between two pages shows in the next look.
            if results.is_empty() || documents.len() as u64 >= page["total"].as_u64().unwrap() {
                return documents;
            }
        }
    }

    /// The settings of the index.
    pub(crate) async fn settings(&self) -> Value {
        let path = format!("/indexes/{}/settings", self.index_name);
        self.api.call("GET", &path, None).await.1
    }

    /// Deletes the index, if it is there. A real server keeps it otherwise.
    pub(crate) async fn delete_index(&self) {
        let path = format!("/indexes/{}", self.index_name);
        let (_, task) = self.api.call("DELETE", &path, None).await;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (_, task) = self
                .api
                .call("GET", &format!("/tasks/{}", task["taskUid"]), None)
                .await;
            if !matches!(task["status"].as_str(), Some("enqueued" | "processing")) {
                return;
            }
            assert!(Instant::now() < deadline, "never ended: {task}");
            sleep(Duration::from_millis(50)).await;
        }
    }
}
