//! The record that a test sends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use conduit_core::{
    Clock, ClusterTime, EventId, Record, RecordKey, RecordParts, RecordType, Sequence, SystemClock, WallTime,
};
use serde_json::{Map, Value};

use crate::catalog::CollectionConfig;

/// How many samples this process made, so that no two have the same id.
static MADE: AtomicU64 = AtomicU64::new(0);

/// Makes an INSERT of a document that is not there. Its event id begins with `test-`, and its keys and document have the key
/// schema's fields, or `_id`, with that id as their value. It sorts before every record of a change.
pub(super) fn sample(config: &CollectionConfig) -> Arc<Record> {
    let now = SystemClock.now();
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    sample_of(config, now, &format!("test-{}-{number}", now.as_millis()))
}

fn sample_of(config: &CollectionConfig, now: WallTime, id: &str) -> Arc<Record> {
    let schema = config.key_fields();
    let names = match schema.as_slice() {
        [] => vec!["_id".to_owned()],
        _ => schema,
    };
    let keys: Map<String, Value> = names.into_iter().map(|name| (name, id.into())).collect();
    let mut document = Map::from_iter([("_id".to_owned(), Value::from(id))]);
    document.extend(keys.clone());
    document.insert(
        "message".to_owned(),
        "a test that Conduit was asked to send: there is no such document".into(),
    );
    let (keys, document) = (Value::from(keys).to_string(), Value::from(document).to_string());
    Arc::new(Record::new(RecordParts {
        event_id: EventId::new(id),
        collection: config.collection_name.clone(),
        record_type: RecordType::Insert,
        key: RecordKey::of(keys.as_bytes()),
        keys: keys.as_bytes(),
        new_image: Some(document.as_bytes()),
        old_image: None,
        timestamp: now,
        time: ClusterTime::default(),
        sequence: Sequence::whole("0"),
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::destination_type::DestinationTypes;

    fn record(body: Value) -> Value {
        let types = DestinationTypes::for_tests();
        let config = CollectionConfig::read(body, None, (&types, &[])).unwrap();
        let record = sample_of(&config, WallTime::from_millis(1_000), "test-1000-0");
        serde_json::from_slice(record.json()).unwrap()
    }

    #[test]
    fn a_sample_has_the_keys_that_the_schema_says_and_a_document_with_them() {
        let plain = record(json!({"collection_name": "orders"}));
        assert_eq!(plain["keys"], json!({"_id": "test-1000-0"}));
        assert_eq!(
            (&plain["eventID"], &plain["recordType"]),
            (&json!("test-1000-0"), &json!("INSERT"))
        );
        assert_eq!(
            (&plain["tableName"], &plain["timestamp"]),
            (&json!("orders"), &json!(1000))
        );
        let keyed = record(json!({"collection_name": "orders", "primary_key": "customer", "sort_key": "at"}));
        assert_eq!(
            keyed["keys"],
            json!({"customer": "test-1000-0", "at": "test-1000-0"})
        );
        assert_eq!(keyed["newImage"]["_id"], "test-1000-0");
        assert_eq!(keyed["newImage"]["customer"], "test-1000-0");
    }

    #[test]
    fn no_two_samples_have_the_same_id() {
        let types = DestinationTypes::for_tests();
        let config =
            CollectionConfig::read(json!({"collection_name": "orders"}), None, (&types, &[])).unwrap();
        assert_ne!(sample(&config).event_id(), sample(&config).event_id());
    }
}
