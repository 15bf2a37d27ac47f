//! The EventBridge sink against a stub of its API, and against an emulator.
#![allow(clippy::unwrap_used, reason = "all of this is a test")]

mod answers;
mod aws;
mod bus_check;
mod connections;
mod credentials;
mod emulator;
mod entries;
mod stub;
mod suite;

use std::sync::Arc;
use std::time::Duration;

use conduit_core::{
    ClusterTime, CollectionName, Delivery, EventId, Record, RecordBatch, RecordKey, RecordParts, RecordType,
    Sequence, Sink, SinkError, WallTime,
};
use conduit_sinks::eventbridge::{
    Credentials, EventBridgeClient, EventBridgeConfig, EventBridgeSink, SharedCredentialsProvider,
};

use stub::Stub;

const ACCESS_KEY: &str = "AKIAEXAMPLE";
const SECRET_KEY: &str = "s3cret-access-key";
const TOKEN: &str = "s3ssion-token";

/// A record whose event id is `event-<number>`, with an image that has a text of so many bytes.
fn record_with(number: u32, text_bytes: usize) -> Arc<Record> {
    let text = "x".repeat(text_bytes);
    Arc::new(Record::new(RecordParts {
        event_id: EventId::new(format!("event-{number}")),
        collection: CollectionName::new("users").unwrap(),
        record_type: RecordType::Insert,
        key: RecordKey::of(&number.to_be_bytes()),
        keys: format!(r#"{{"_id":{number}}}"#).as_bytes(),
        new_image: Some(
            format!(r#"{{"_id":{number},"name":"Zoë \"","score":1.0,"text":"{text}"}}"#).as_bytes(),
        ),
        old_image: None,
        timestamp: WallTime::from_millis(1_792_778_640_402),
        time: ClusterTime::new(1_792_778_640, number),
        sequence: Sequence::whole(&format!("82{number:08X}")),
    }))
}

fn record(number: u32) -> Arc<Record> {
    record_with(number, 0)
}

fn records(numbers: std::ops::Range<u32>) -> Vec<Arc<Record>> {
    numbers.map(record).collect()
}

fn client() -> EventBridgeClient {
    let credentials = Credentials::new(ACCESS_KEY, SECRET_KEY, Some(TOKEN.to_owned()), None, "the test");
    EventBridgeClient::new().with_credentials(SharedCredentialsProvider::new(credentials))
}

fn config(endpoint: &str) -> EventBridgeConfig {
    EventBridgeConfig::new("orders")
        .with_region("eu-central-1")
        .with_endpoint(endpoint)
}

fn sink_of(config: EventBridgeConfig) -> EventBridgeSink {
    EventBridgeSink::with_client(config, client()).unwrap()
}

fn sink(stub: &Stub) -> EventBridgeSink {
    sink_of(config(&stub.url()))
}

async fn deliver(sink: &EventBridgeSink, records: Vec<Arc<Record>>) -> Result<Delivery, SinkError> {
    sink.deliver(&RecordBatch::new(records)).await
}

/// Delivers one record and returns why it failed.
async fn failure(sink: &EventBridgeSink, number: u32) -> SinkError {
    match deliver(sink, vec![record(number)]).await {
        Err(error) => error,
        Ok(mut delivery) => delivery.failed.pop().unwrap().1,
    }
}

/// The failed records of a delivery, by index and kind.
fn failed(delivery: &Delivery) -> Vec<(usize, conduit_core::SinkErrorKind)> {
    delivery
        .failed
        .iter()
        .map(|(index, error)| (*index, error.kind()))
        .collect()
}

/// A time-out that is waited for.
const SHORT: Duration = Duration::from_millis(600);
