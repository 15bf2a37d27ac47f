//! The sink against an emulator of AWS: a bus, a rule, and a queue that events arrive in.

use std::sync::Arc;

use conduit_core::{
    ClusterTime, CollectionName, EventId, Record, RecordKey, RecordParts, RecordType, Sequence,
    SinkErrorKind, WallTime,
};
use conduit_sinks::eventbridge::{BusCheck, EventBridgeConfig, EventBridgeSink};
use serde_json::{Value, json};

use crate::aws::{Emulator, REGION};
use crate::{client, deliver, failure, records};

/// A bus of one test, all events of which arrive in a queue.
struct Bus {
    emulator: Emulator,
    name: String,
    queue: String,
}

impl Bus {
    async fn make(test: &str) -> Self {
        let emulator = Emulator::find();
        // Of this process, should the emulator live longer than it.
        let name = format!("{test}-{}", std::process::id());
        emulator
            .call("AWSEvents.CreateEventBus", &json!({"Name": name}))
            .await;
        let made = emulator
            .call("AmazonSQS.CreateQueue", &json!({"QueueName": name}))
            .await;
        let rule = json!({
            "Name": "all",
            "EventBusName": name,
            "EventPattern": json!({"detail": {"tableName": [{"exists": true}]}}).to_string(),
        });
        emulator.call("AWSEvents.PutRule", &rule).await;
        let target = json!({"Id": "queue", "Arn": format!("arn:aws:sqs:{REGION}:123456789012:{name}")});
        let targets = json!({"Rule": "all", "EventBusName": name, "Targets": [target]});
        emulator.call("AWSEvents.PutTargets", &targets).await;
        Self {
            queue: made["QueueUrl"].as_str().unwrap().to_owned(),
            emulator,
            name,
        }
    }

    fn config(&self) -> EventBridgeConfig {
        EventBridgeConfig::new(&self.name)
            .with_region(REGION)
            .with_endpoint(self.emulator.url())
    }

    fn sink(&self) -> EventBridgeSink {
        EventBridgeSink::with_client(self.config(), client()).unwrap()
    }

    /// Takes everything out of the queue.
    async fn arrived(&self) -> Vec<Value> {
        let receive = json!({"QueueUrl": self.queue, "MaxNumberOfMessages": 10, "VisibilityTimeout": 600});
        let mut events = Vec::new();
        loop {
            let answer = self.emulator.call("AmazonSQS.ReceiveMessage", &receive).await;
            let Some(messages) = answer["Messages"]
                .as_array()
                .filter(|messages| !messages.is_empty())
            else {
                return events;
            };
            let body = |message: &Value| serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
            events.extend(messages.iter().map(body));
        }
    }
}

/// A record with values that do not survive a careless encoding.
fn delicate(record_type: RecordType) -> Arc<Record> {
    let image = r#"{"_id":-9223372036854775808,"name":"ä€😀\u0000 \"\\/","a.b":{"":[[],{}]},"z":1.0,"y":1e300,"n":null}"#;
    Arc::new(Record::new(RecordParts {
        event_id: EventId::new("event-1"),
        collection: CollectionName::new("orders.archive").unwrap(),
        record_type,
        key: RecordKey::of(b"1"),
        keys: br#"{"_id":-9223372036854775808}"#,
        new_image: (record_type != RecordType::Remove).then_some(image.as_bytes()),
        old_image: (record_type != RecordType::Insert).then_some(image.as_bytes()),
        timestamp: WallTime::from_millis(1_792_778_640_402),
        time: ClusterTime::new(1_792_778_640, 1),
        sequence: Sequence::whole("8200000001"),
    }))
}

#[tokio::test]
async fn what_arrives_in_the_queue_is_the_record_that_was_sent() {
    let bus = Bus::make("what-arrives").await;
    let sink = bus.sink();
    assert_eq!(sink.check_bus().await.unwrap(), BusCheck::Exists);
    for (record_type, detail_type) in [
        (RecordType::Insert, "INSERT"),
        (RecordType::Modify, "MODIFY"),
        (RecordType::Remove, "REMOVE"),
    ] {
        let record = delicate(record_type);
        let delivery = deliver(&sink, vec![record.clone()]).await.unwrap();
        assert!(delivery.failed.is_empty(), "{delivery:?}");
        let arrived = bus.arrived().await;
        assert_eq!(arrived.len(), 1);
        let event = &arrived[0];
        let sent: Value = serde_json::from_slice(record.json()).unwrap();
        // As texts, since equal objects may have their fields in another order.
        assert_eq!(event["detail"].to_string(), sent.to_string());
        assert_eq!(event["detail-type"], detail_type);
        assert_eq!(event["source"], "conduit-mongodb");
        assert_eq!(event["time"], "2026-10-23T18:04:00Z");
        assert_eq!(event["resources"], json!(["orders.archive"]));
        assert_eq!(event["region"], REGION);
    }
}

#[tokio::test]
async fn tens_of_records_arrive_each_once_and_in_order() {
    let bus = Bus::make("tens-of-records").await;
    let sink = bus.sink();
    for call in 0..5 {
        let delivery = deliver(&sink, records(call * 10..(call + 1) * 10)).await.unwrap();
        assert!(delivery.failed.is_empty(), "{delivery:?}");
    }
    let arrived: Vec<String> = bus
        .arrived()
        .await
        .iter()
        .map(|event| event["detail"]["eventID"].as_str().unwrap().to_owned())
        .collect();
    let expected: Vec<String> = (0..50).map(|number| format!("event-{number}")).collect();
    assert_eq!(arrived, expected);
}

#[tokio::test]
async fn a_bus_that_does_not_exist_is_said_to() {
    let emulator = Emulator::find();
    let config = EventBridgeConfig::new("nobody-made-this")
        .with_region(REGION)
        .with_endpoint(emulator.url());
    let sink = EventBridgeSink::with_client(config, client()).unwrap();
    let error = failure(&sink, 1).await;
    assert_eq!(error.kind(), SinkErrorKind::Unauthorized);
    assert!(
        error.message().contains("nobody-made-this does not exist"),
        "{}",
        error.report()
    );
}

#[tokio::test]
async fn calls_are_made_as_an_assumed_role() {
    let bus = Bus::make("assumed-role").await;
    let config = bus
        .config()
        .with_role_arn("arn:aws:iam::123456789012:role/conduit");
    let client = client().with_sts_endpoint(bus.emulator.url());
    let sink = EventBridgeSink::with_client(config, client).unwrap();
    let delivery = deliver(&sink, records(0..1)).await.unwrap();
    assert!(delivery.failed.is_empty(), "{delivery:?}");
    assert_eq!(bus.arrived().await.len(), 1);
}
