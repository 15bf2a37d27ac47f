//! Somebody who looks on at a collection's records.

use axum::http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::time::timeout;

use crate::harness::{Api, PATIENCE};

/// The reader of one stream of server-sent events.
pub(crate) struct Looker {
    body: Incoming,
    /// What was read and is not a whole frame yet.
    rest: String,
}

impl Looker {
    /// Begins to look on at `orders`, and waits until whatever happens from then on is seen.
    pub(crate) async fn at(api: &Api, query: &str) -> Self {
        let mut looker = Self::open(api, query).await;
        let (event, data) = looker.next().await.unwrap();
        assert_eq!((&*event, &data["collection_name"]), ("open", &"orders".into()));
        looker
    }

    /// The same without waiting.
    pub(crate) async fn open(api: &Api, query: &str) -> Self {
        let (status, body) = api.stream(&format!("/api/collections/orders/tail{query}")).await;
        assert_eq!(status, StatusCode::OK);
        let rest = String::new();
        Self { body, rest }
    }

    /// The next event: its name and its data; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<(String, Value)> {
        timeout(PATIENCE, self.next_frame())
            .await
            .expect("an event or the end")
    }

    async fn next_frame(&mut self) -> Option<(String, Value)> {
        loop {
            while let Some((frame, rest)) = self.rest.split_once("\n\n") {
                let (frame, rest) = (frame.to_owned(), rest.to_owned());
                self.rest = rest;
                if frame == ": " {
                    continue;
                }
                let (event, data) = frame.split_once('\n').unwrap();
                let event = event.strip_prefix("event: ").unwrap();
                let data = data.strip_prefix("data: ").unwrap();
                return Some((event.to_owned(), serde_json::from_str(data).unwrap()));
            }
            let frame = self.body.frame().await?.ok()?;
            if let Ok(data) = frame.into_data() {
                self.rest.push_str(std::str::from_utf8(&data).unwrap());
            }
        }
    }

    /// The next record: the `_id` of its document, the destination, what became of it, and the attempt.
    pub(crate) async fn next_outcome(&mut self) -> (String, String, String, u64) {
        let (event, data) = self.next().await.expect("not the end");
        assert_eq!(event, "record", "{data}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (
            text(&data["record"]["keys"]["_id"]),
            text(&data["destination"]),
            text(&data["outcome"]),
            data["attempt"].as_u64().unwrap(),
        )
    }
}
