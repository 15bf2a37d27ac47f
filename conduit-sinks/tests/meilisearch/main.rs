//! The Meilisearch sink against a stub that behaves as documented, and, where `MEILI_URL` is set, against a real server.
#![allow(clippy::unwrap_used, reason = "all of this is a test")]

mod contents;
mod engine;
mod faults;
mod history;
mod repeats;
mod server;
mod story;
mod suite;

use std::time::Duration;

use conduit_sinks::meilisearch::{MeilisearchConfig, MeilisearchSink};
use conduit_testkit::meilisearch::{API_KEY, MeilisearchStub};

/// A time-out that comes soon, for calls whose task does not end.
const SHORT: Duration = Duration::from_secs(1);

/// A sink of a stub, with a time-out that no test reaches.
fn sink_of(stub: &MeilisearchStub) -> MeilisearchSink {
    server::sink(config_of(stub))
}

/// The same, whose index is there and has one document, by the first task of documents.
async fn ready_sink_of(stub: &MeilisearchStub) -> MeilisearchSink {
    let sink = sink_of(stub);
    story::delivered(&sink, &[story::put("first", 0)]).await;
    sink
}

/// The same, but a sink that gives up soon.
async fn impatient_sink_of(stub: &MeilisearchStub) -> MeilisearchSink {
    ready_sink_of(stub).await;
    server::sink(config_of(stub).with_timeout(SHORT))
}

fn config_of(stub: &MeilisearchStub) -> MeilisearchConfig {
    MeilisearchConfig::new(stub.url(), "orders").with_bearer_token(API_KEY)
}
