//! The HTTP sink against a real server.
#![allow(clippy::unwrap_used, reason = "all of this is a test")]

mod answers;
mod batches;
mod connections;
mod egress;
mod requests;
mod signatures;
mod suite;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use conduit_core::{
    Clock, ClusterTime, CollectionName, Delivery, EventId, Record, RecordBatch, RecordKey, RecordParts,
    RecordType, Sequence, Sink, SinkError, WallTime,
};
use conduit_sinks::egress::EgressPolicy;
use conduit_sinks::http::{HttpClient, HttpConfig, HttpSink};
use conduit_testkit::receiver::Receiver;

/// 2026-10-23T18:04:07.402Z.
const NOW: WallTime = WallTime::from_millis(1_792_778_647_402);

#[derive(Debug)]
struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> WallTime {
        NOW
    }
}

/// A record whose event id is `event-<number>`.
fn record(number: u32) -> Arc<Record> {
    Arc::new(Record::new(RecordParts {
        event_id: EventId::new(format!("event-{number}")),
        collection: CollectionName::new("users").unwrap(),
        record_type: RecordType::Insert,
        key: RecordKey::of(&number.to_be_bytes()),
        keys: format!(r#"{{"_id":{number}}}"#).as_bytes(),
        new_image: Some(format!(r#"{{"_id":{number},"name":"Zoë","score":1.0}}"#).as_bytes()),
        old_image: None,
        timestamp: WallTime::from_millis(1_792_778_640_000),
        time: ClusterTime::new(1_792_778_640, number),
        sequence: Sequence::whole(&format!("82{number:08X}")),
    }))
}

fn config(receiver: &Receiver) -> HttpConfig {
    HttpConfig::new(receiver.url())
}

fn sink(config: HttpConfig) -> HttpSink {
    // Making one takes a while: the machine's certificates are read.
    let client = HttpClient::new(EgressPolicy::Any).unwrap();
    HttpSink::with_client(config, client)
        .unwrap()
        .with_clock(Arc::new(FixedClock))
}

async fn deliver(sink: &HttpSink, number: u32) -> Result<(), SinkError> {
    let delivery: Delivery = sink.deliver(&RecordBatch::new(vec![record(number)])).await?;
    assert!(delivery.failed.is_empty());
    Ok(())
}

/// How long something may take that has no reason to take any time: far more than it does, so that a slow machine
/// fails no test.
const SOON: Duration = Duration::from_secs(20);
