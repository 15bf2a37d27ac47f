//! What leaves: the fields of an entry, and the size of calls.

use conduit_core::{Sink, SinkErrorKind};
use conduit_sinks::eventbridge::{EventBridgeConfig, MAX_ENTRIES};
use serde_json::json;

use crate::stub::{Puts, Stub, refusal};
use crate::{config, deliver, failed, record, record_with, records, sink, sink_of};

/// What an entry of `record_with` counts besides its record: time, source, detail type, resource.
const OVERHEAD: usize = 14 + "conduit-mongodb".len() + "INSERT".len() + "users".len();

#[tokio::test]
async fn a_record_is_an_entry_of_exactly_these_fields() {
    let stub = Stub::start().await;
    deliver(&sink(&stub), vec![record(7)]).await.unwrap();
    let detail = String::from_utf8(record(7).json().to_vec()).unwrap();
    let expected = json!({
        "Time": 1_792_778_640.402,
        "Source": "conduit-mongodb",
        "Resources": ["users"],
        "DetailType": "INSERT",
        "Detail": detail,
        "EventBusName": "orders",
    });
    assert_eq!(stub.accepted(), [expected]);
    let requests = stub.receiver.received();
    let request = requests.last().unwrap();
    assert_eq!((request.method(), &*request.target()), ("POST", "/"));
    assert_eq!(request.header("content-type"), Some("application/x-amz-json-1.1"));
    let length = request.body().len().to_string();
    assert_eq!(request.header("content-length"), Some(&*length));
    let signed_for = request.header("authorization").unwrap();
    assert!(
        signed_for.contains("/eu-central-1/events/aws4_request"),
        "{signed_for}"
    );
}

#[tokio::test]
async fn source_and_detail_type_are_as_configured() {
    let stub = Stub::start().await;
    let config = config(&stub.url())
        .with_source("shop.orders")
        .with_detail_type("Änderung");
    deliver(&sink_of(config), vec![record(1)]).await.unwrap();
    let entry = &stub.accepted()[0];
    assert_eq!(
        (&entry["Source"], &entry["DetailType"]),
        (&json!("shop.orders"), &json!("Änderung"))
    );
}

#[tokio::test]
async fn ten_records_are_one_call_and_more_are_several_in_order() {
    let stub = Stub::start().await;
    let sink = sink(&stub);
    assert_eq!(sink.limits().max_records, MAX_ENTRIES);
    deliver(&sink, records(0..10)).await.unwrap();
    assert_eq!(stub.calls("PutEvents"), 1);
    let delivery = deliver(&sink, records(10..35)).await.unwrap();
    assert!(delivery.failed.is_empty());
    assert_eq!(stub.calls("PutEvents"), 4);
    let expected: Vec<String> = (0..35).map(|number| format!("event-{number}")).collect();
    assert_eq!(stub.accepted_ids(), expected);
}

#[tokio::test]
async fn a_call_of_exactly_the_limit_is_taken_and_a_byte_more_is_two_calls() {
    let stub = Stub::start().await;
    let one = record(1).size() + OVERHEAD;
    let limit = 10 * one;
    stub.limit(limit);
    let sink = sink_of(config(&stub.url()).with_max_request_bytes(limit));
    deliver(&sink, records(0..10)).await.unwrap();
    let mut batch = records(0..9);
    batch.push(record_with(9, 1));
    let delivery = deliver(&sink, batch).await.unwrap();
    assert!(delivery.failed.is_empty());
    assert_eq!(stub.sizes(), [limit, 9 * one, one + 1]);
}

#[tokio::test]
async fn a_record_of_exactly_the_limit_is_delivered_and_a_byte_more_is_a_dead_letter_with_its_size() {
    let stub = Stub::start().await;
    let sink = sink(&stub);
    let limit = 262_144;
    let padding = limit - OVERHEAD - record(1).size();
    deliver(&sink, vec![record_with(1, padding)]).await.unwrap();
    assert_eq!(stub.sizes(), [limit]);
    // The engine gives it to the sink, whose words are better than its own.
    let over = record_with(1, padding + 1);
    assert!(over.size() <= sink.limits().max_bytes);
    let delivery = deliver(&sink, vec![record(2), over, record(3)]).await.unwrap();
    assert_eq!(failed(&delivery), [(1, SinkErrorKind::Undeliverable)]);
    assert_eq!(
        delivery.failed[0].1.report(),
        "the record's event has 262145 bytes, the event bus takes 262144"
    );
    assert_eq!(stub.accepted_ids(), ["event-1", "event-2", "event-3"]);
}

#[tokio::test]
async fn no_batch_that_the_limits_allow_exceeds_the_size_of_a_call() {
    let stub = Stub::start().await;
    let limit = 4096;
    stub.limit(limit);
    let sink = sink_of(config(&stub.url()).with_max_request_bytes(limit));
    let limits = sink.limits();
    let mut expected = Vec::new();
    for step in 0..60 {
        // As many records of ever longer texts as the engine would put together.
        let (mut bytes, mut batch) = (0, Vec::new());
        for number in 0..10 {
            let record = record_with(step * 10 + number, usize::try_from(step * 7 % 251).unwrap());
            bytes += record.size();
            if bytes > limits.max_bytes {
                break;
            }
            batch.push(record);
        }
        expected.extend(batch.iter().map(|record| record.event_id().to_string()));
        let delivery = deliver(&sink, batch).await.unwrap();
        assert!(delivery.failed.is_empty(), "{delivery:?}");
    }
    assert_eq!(stub.accepted_ids(), expected);
    assert!(stub.sizes().iter().all(|size| *size <= limit));
}

#[tokio::test]
async fn the_limits_leave_the_engine_nothing_to_refuse_that_would_fit() {
    let stub = Stub::start().await;
    for config in [
        config(&stub.url()),
        config(&stub.url()).with_detail_type("a longer detail type"),
    ] {
        let detail_type = config.detail_type.clone().unwrap_or("INSERT".to_owned());
        let limits = sink_of(config).limits();
        let least = 14 + "conduit-mongodb".len() + detail_type.len();
        assert_eq!(limits.max_bytes, 262_144 - least);
    }
}

#[tokio::test]
async fn a_call_that_fails_midway_says_what_the_earlier_ones_delivered() {
    let stub = Stub::start().await;
    let sink = sink(&stub);
    stub.put(Puts::AcceptThen(1, refusal(500, "InternalException", "")));
    let delivery = deliver(&sink, records(0..25)).await.unwrap();
    let expected: Vec<_> = (10..25)
        .map(|index| (index, SinkErrorKind::Unavailable))
        .collect();
    assert_eq!(failed(&delivery), expected);
    assert_eq!(stub.accepted_ids().len(), 10);
    // The third would fare no better.
    assert_eq!(stub.calls("PutEvents"), 2);
}

#[tokio::test]
async fn a_call_that_is_not_valid_says_nothing_of_the_next() {
    let stub = Stub::start().await;
    let sink = sink(&stub);
    let large = record(0).size() + OVERHEAD + 1000;
    stub.limit(10 * large - 1);
    let mut batch: Vec<_> = (0..10).map(|number| record_with(number, 1000)).collect();
    batch.extend(records(10..15));
    let delivery = deliver(&sink, batch).await.unwrap();
    let expected: Vec<_> = (0..10).map(|index| (index, SinkErrorKind::Rejected)).collect();
    assert_eq!(failed(&delivery), expected);
    assert_eq!(stub.accepted_ids().len(), 5);
}

#[tokio::test]
async fn a_failed_entry_is_named_by_its_place_in_the_delivery() {
    let stub = Stub::start().await;
    let sink = sink(&stub);
    stub.put(Puts::RefuseRecord("event-13".to_owned()));
    let mut batch = vec![record_with(0, 262_144)];
    batch.extend(records(1..20));
    let delivery = deliver(&sink, batch).await.unwrap();
    let mut failed = failed(&delivery);
    failed.sort_unstable_by_key(|(index, _)| *index);
    let expected = [(0, SinkErrorKind::Undeliverable), (13, SinkErrorKind::Rejected)];
    assert_eq!(failed, expected);
    assert_eq!(stub.accepted_ids().len(), 18);
}

#[tokio::test]
async fn a_bus_is_called_by_its_arn_in_the_arns_region() {
    const ARN: &str = "arn:aws:events:ap-south-1:123456789012:event-bus/orders";
    let stub = Stub::start().await;
    let sink = sink_of(EventBridgeConfig::new(ARN).with_endpoint(stub.url()));
    deliver(&sink, records(0..1)).await.unwrap();
    assert_eq!(stub.accepted()[0]["EventBusName"], ARN);
    for request in stub.receiver.received() {
        let signed = request.header("authorization").unwrap();
        assert!(signed.contains("/ap-south-1/events/aws4_request"), "{signed}");
    }
}

#[tokio::test]
async fn an_emulator_is_called_without_a_region_too() {
    let stub = Stub::start().await;
    // Signed for whatever the environment of this test says, or the default.
    let sink = sink_of(EventBridgeConfig::new("orders").with_endpoint(stub.url()));
    deliver(&sink, records(0..1)).await.unwrap();
    assert_eq!(stub.accepted_ids(), ["event-0"]);
}
