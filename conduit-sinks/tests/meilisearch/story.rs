//! Records, told shortly.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use conduit_core::{
    ClusterTime, CollectionName, Delivery, EventId, Record, RecordBatch, RecordKey, RecordParts, RecordType,
    Sequence, Sink, SinkError, SinkErrorKind, WallTime,
};
use serde_json::{Value, json};

static NUMBER: AtomicU32 = AtomicU32::new(1);

/// A change of the document with these keys, an event of its own.
pub(crate) fn record(record_type: RecordType, keys: &Value, new_image: Option<&Value>) -> Arc<Record> {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let keys = keys.to_string();
    let image = new_image.map(Value::to_string);
    Arc::new(Record::new(RecordParts {
        event_id: EventId::new(format!("event-{number}")),
        collection: CollectionName::new("orders").unwrap(),
        record_type,
        key: RecordKey::of(keys.as_bytes()),
        keys: keys.as_bytes(),
        new_image: image.as_ref().map(String::as_bytes),
        old_image: None,
        timestamp: WallTime::from_millis(1_792_778_640_000),
        time: ClusterTime::new(1_792_778_640, number),
        sequence: Sequence::whole(&format!("82{number:08X}")),
    }))
}

/// The document `id` comes to be or is replaced.
pub(crate) fn put(id: &str, n: u32) -> Arc<Record> {
    record(
        RecordType::Insert,
        &json!({ "_id": id }),
        Some(&json!({ "_id": id, "n": n })),
    )
}

/// The document `id` goes.
pub(crate) fn remove(id: &str) -> Arc<Record> {
    record(RecordType::Remove, &json!({ "_id": id }), None)
}

pub(crate) async fn deliver(sink: &dyn Sink, records: &[Arc<Record>]) -> Result<Delivery, SinkError> {
    sink.deliver(&RecordBatch::new(records.to_vec())).await
}

/// Expects that all of it is delivered.
pub(crate) async fn delivered(sink: &dyn Sink, records: &[Arc<Record>]) {
    let delivery = deliver(sink, records).await.unwrap();
    assert!(delivery.failed.is_empty(), "{:?}", delivery.failed);
}

/// The kinds of the failed records, by index.
pub(crate) fn kinds(delivery: &Delivery) -> Vec<(usize, SinkErrorKind)> {
    let mut kinds: Vec<_> = delivery
        .failed
        .iter()
        .map(|(index, error)| (*index, error.kind()))
        .collect();
    kinds.sort_unstable_by_key(|(index, _)| *index);
    kinds
}
