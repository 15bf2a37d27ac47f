//! Destinations of type `eventbridge`: the server, an emulator of EventBridge, and a queue behind the bus.
//! `CONDUIT_EVENTBRIDGE_RECORDS` sets how many records the ledger has; the emulator takes some 40 a second.

use std::collections::{HashMap, HashSet};

use bson::{Bson, Document, doc};
use conduit_testkit::receiver::{Ledger, Receiver};
use mongodb::Collection;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::bus::{Bus, CREDENTIALS, Queue};
use crate::harness::{World, insert};

const DOCUMENTS: i64 = 40;
const STOPS: usize = 3;
const KILLS: usize = 5;

fn records() -> usize {
    let set = std::env::var("CONDUIT_EVENTBRIDGE_RECORDS").ok();
    set.and_then(|text| text.parse().ok()).unwrap_or(200)
}

/// Inserts, updates and deletes at random, and remembers what each document went through.
struct Writer {
    collection: Collection<Document>,
    random: fastrand::Rng,
    living: HashMap<i64, i64>,
    /// Of each document its changes: the type, and the `value` before and after.
    changes: HashMap<i64, Vec<Value>>,
    written: usize,
}

impl Writer {
    fn of(collection: Collection<Document>) -> Self {
        Self {
            collection,
            random: fastrand::Rng::with_seed(7),
            living: HashMap::new(),
            changes: HashMap::new(),
            written: 0,
        }
    }

    async fn write(&mut self, count: usize) {
        for _ in 0..count {
            let id = self.random.i64(0..DOCUMENTS);
            let value = i64::try_from(self.written).unwrap();
            let with_id = doc! {"_id": id};
            let change = match self.living.get(&id).copied() {
                None => {
                    let document = doc! {
                        "_id": id, "value": value,
                        "text": "ä€😀 \"\\/\u{1}", "a.b": {"": [1.0, Bson::Null, i64::MAX]},
                    };
                    self.collection.insert_one(document).await.unwrap();
                    self.living.insert(id, value);
                    json!(["INSERT", null, value])
                }
                Some(old) if self.random.u8(0..5) == 0 => {
                    self.collection.delete_one(with_id).await.unwrap();
                    self.living.remove(&id);
                    json!(["REMOVE", old, null])
                }
                Some(old) => {
                    let update = doc! {"$set": {"value": value}};
                    self.collection.update_one(with_id, update).await.unwrap();
                    self.living.insert(id, value);
                    json!(["MODIFY", old, value])
                }
            };
            self.changes.entry(id).or_default().push(change);
            self.written += 1;
        }
    }
}

/// How many different records are among these events.
fn different(events: &[Value]) -> usize {
    let ids = events.iter().map(|event| event["detail"]["eventID"].as_str());
    ids.collect::<HashSet<_>>().len()
}

/// The records that a receiver got, as text by event id.
fn by_id<'a>(records: impl Iterator<Item = &'a Value>) -> HashMap<String, String> {
    let mut texts = HashMap::new();
    for record in records {
        let id = record["eventID"].as_str().unwrap().to_owned();
        // As texts, since equal objects may have their fields in another order.
        let text = record.to_string();
        let first = texts.entry(id).or_insert_with(|| text.clone());
        assert_eq!(*first, text, "a record comes with the same content again");
    }
    texts
}

/// Checks the whole account: every change is in the queue, with the content that it has elsewhere too.
///
/// EventBridge promises no order. The emulator puts an event into the queue before it answers the call, so the order in the
/// queue is that in which calls were made: a document's records must not have been sent before the one ahead of them.
fn settle(queue: &Queue<'_>, receiver: &Receiver, writer: &Writer) -> Ledger {
    let mut ledger = Ledger::new();
    for event in queue.events() {
        let record = &event["detail"];
        ledger.enter(record.to_string().as_bytes());
        assert_eq!(event["detail-type"], record["recordType"]);
    }
    ledger.assert_clean();
    assert_eq!(ledger.count(), writer.written, "changes that arrived");

    let queued = by_id(queue.events().iter().map(|event| &event["detail"]));
    let received = receiver.received();
    let posted = by_id(received.iter().map(|request| request.json()));
    assert!(
        queued == posted,
        "the bus and the HTTP endpoint got the same records"
    );

    let mut seen: HashMap<i64, Vec<(String, Value)>> = HashMap::new();
    for text in queued.values() {
        let record: Value = serde_json::from_str(text).unwrap();
        let id = record["keys"]["_id"].as_i64().unwrap();
        let values = [&record["oldImage"], &record["newImage"]].map(|image| image["value"].clone());
        let sequence = record["sequenceNumber"].as_str().unwrap().to_owned();
        let change = json!([record["recordType"], values[0], values[1]]);
        seen.entry(id).or_default().push((sequence, change));
    }
    for (id, wanted) in &writer.changes {
        let mut changes = seen.remove(id).unwrap_or_default();
        changes.sort_by(|(one, _), (other, _)| one.cmp(other));
        let changes: Vec<Value> = changes.into_iter().map(|(_, change)| change).collect();
        assert_eq!(changes, *wanted, "changes of document {id}");
    }
    ledger
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_stopped_and_killed_again_and_again_loses_nothing_on_its_way_to_a_queue() {
    let began = Instant::now();
    let world = World::new().await;
    let bus = Bus::of("ledger");
    let mut queue = bus.make().await;
    let receiver = Receiver::start().await;
    let mut writer = Writer::of(world.collection("orders"));
    let mut server = world.start_with("run", &CREDENTIALS).await;
    // With old images, both are as they were at the change; images that are looked up may be newer after a kill.
    let body = json!({
        "collection_name": "orders", "stream_enabled": true, "deletion_protection": false, "old_image": true,
        "destinations": [bus.destination(), {"id": "http", "type": "http", "endpoint": receiver.url()}],
    });
    server.api.create(body).await;

    let half = records() / (STOPS + KILLS) / 2;
    let mut missing = Vec::new();
    for round in 0..STOPS + KILLS {
        // The server ends while records are on their way, and changes happen while it is away.
        let enough = queue.events().len() + half / 2;
        tokio::join!(writer.write(half), queue.until(|events| events.len() >= enough));
        if round < STOPS {
            assert!(server.stop().await.success());
        } else {
            server.kill().await;
            queue.read().await;
            missing.push(writer.written - different(queue.events()));
        }
        let starting = world.start_with("run", &CREDENTIALS);
        (server, ()) = tokio::join!(starting, writer.write(half));
        if round + 1 == STOPS {
            let written = writer.written;
            queue.until(|events| different(events) >= written).await;
            assert_eq!(queue.events().len(), written, "nothing comes twice for a stop");
        }
    }
    writer.write(records() - writer.written).await;
    queue.until(|events| different(events) >= records()).await;
    receiver
        .wait_until(|all| by_id(all.iter().map(|request| request.json())).len() >= records())
        .await;
    assert!(server.stop().await.success());
    // Calls that a killed server had made may have ended late.
    queue.read().await;

    let ledger = settle(&queue, &receiver, &writer);
    println!(
        "records: {}, of {} documents, lost: 0, out of order: 0, duplicates: {} (stops: 0), {STOPS} stops, {KILLS} kills \
         with {missing:?} records missing, {:?}",
        ledger.count(),
        ledger.key_count(),
        ledger.repeats(),
        began.elapsed(),
    );
    assert!(missing.iter().any(|count| *count > 0), "no kill hit a delivery");
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_the_settings_name_their_field() {
    let world = World::new().await;
    let server = world.start("run").await;
    let destination = |changes: Value| {
        let mut destination = json!({"type": "eventbridge", "event_bus_name": "orders"});
        for (field, value) in changes.as_object().unwrap() {
            destination[field] = value.clone();
        }
        json!({"collection_name": "orders", "destinations": [destination]})
    };
    for (changes, field) in [
        (json!({"event_bus_name": null}), "event_bus_name"),
        (json!({"event_bus_name": "no spaces"}), "event_bus_name"),
        (json!({"max_request_bytes": 1_023}), "max_request_bytes"),
        (json!({"max_request_bytes": 1_048_577}), "max_request_bytes"),
        (json!({"max_request_bytes": "256 KiB"}), "max_request_bytes"),
        (json!({"max_requests_bytes": 262_144}), "max_requests_bytes"),
        (json!({"source": "aws.orders"}), "source"),
        (json!({"source": 1}), "source"),
        (json!({"role_arn": "conduit"}), "role_arn"),
        (json!({"format": "xml"}), "format"),
    ] {
        let body = destination(changes);
        let answer = server
            .api
            .expect(400, "POST", "/api/collections", Some(body.clone()))
            .await;
        let errors = answer["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1, "{body}: {answer}");
        assert_eq!(
            errors[0]["field"],
            format!("destinations[0].{field}"),
            "{body}: {answer}"
        );
    }
    let missing = json!({"collection_name": "orders", "destinations": [{"type": "eventbridge"}]});
    let answer = server
        .api
        .expect(400, "POST", "/api/collections", Some(missing))
        .await;
    assert_eq!(answer["errors"][0]["field"], "destinations[0].event_bus_name");
    assert_eq!(server.api.get("/api/collections").await, json!([]));
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_does_not_exist_is_waited_for() {
    let world = World::new().await;
    let bus = Bus::of("waited-for");
    let server = world.start_with("run", &CREDENTIALS).await;
    let body =
        json!({"collection_name": "orders", "stream_enabled": true, "destinations": [bus.destination()]});
    server.api.create(body).await;
    let orders = world.collection("orders");
    for value in 0..25 {
        insert(&orders, &format!("k{value}"), value).await;
    }
    let status = server
        .api
        .until_status("orders", "bus", |status| status["state"] == "holding")
        .await;
    let reason = status["reason"].as_str().unwrap();
    assert!(
        reason.contains(bus.name()) && reason.contains("does not exist"),
        "{status}"
    );

    let mut queue = bus.make().await;
    queue.until(|events| different(events) >= 25).await;
    let status = server
        .api
        .until_status("orders", "bus", |status| {
            status["state"] == "streaming" && status["lag_seconds"] == 0.0
        })
        .await;
    assert_eq!(
        (&status["dlq_length"], &status["retry_length"]),
        (&json!(0), &json!(0)),
        "{status}"
    );
    assert_eq!(queue.events().len(), 25, "nothing comes twice for a hold");
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_detail_is_a_cloud_event_if_that_is_the_format() {
    let world = World::new().await;
    let bus = Bus::of("cloud-event");
    let mut queue = bus.make().await;
    let receiver = Receiver::start().await;
    let server = world.start_with("run", &CREDENTIALS).await;
    let mut destination = bus.destination();
    destination["format"] = json!("cloudevents");
    let body = json!({
        "collection_name": "orders", "stream_enabled": true,
        "destinations": [destination, {"id": "http", "type": "http", "endpoint": receiver.url()}],
    });
    server.api.create(body).await;
    insert(&world.collection("orders"), "a", 1).await;
    let received = receiver.wait_for(1).await;
    queue.until(|events| !events.is_empty()).await;
    let (record, event) = (received[0].json(), &queue.events()[0]);
    assert_eq!(event["detail-type"], "INSERT");
    let moment = jiff::Timestamp::from_millisecond(record["timestamp"].as_i64().unwrap()).unwrap();
    let wanted = json!({
        "specversion": "1.0",
        "id": record["eventID"],
        "source": "conduit/orders",
        "type": "io.github.conduit-cdc.record.insert",
        "time": format!("{moment:.3}"),
        "datacontenttype": "application/json",
        "sequence": record["sequenceNumber"],
        "data": record,
    });
    assert_eq!(event["detail"], wanted);
    assert!(server.stop().await.success());
}
