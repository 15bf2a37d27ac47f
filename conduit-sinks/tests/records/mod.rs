//! Sample records, and what is read back of them.

use std::sync::Arc;

use conduit_core::{
    ClusterTime, CollectionName, EventId, Record, RecordBatch, RecordKey, RecordParts, RecordType, Sequence,
    WallTime,
};
use serde_json::Value;

/// A record whose event id is `<writer>-<number>`.
pub(crate) fn record_of(writer: &str, number: u32) -> Arc<Record> {
    Arc::new(Record::new(RecordParts {
        event_id: EventId::new(format!("{writer}-{number}")),
        collection: CollectionName::new("users").unwrap(),
        record_type: RecordType::Insert,
        key: RecordKey::of(&number.to_be_bytes()),
        keys: format!(r#"{{"_id":{number}}}"#).as_bytes(),
        new_image: Some(format!(r#"{{"_id":{number},"name":"Zoë"}}"#).as_bytes()),
        old_image: None,
        timestamp: WallTime::from_millis(1_792_778_640_000),
        time: ClusterTime::new(1_792_778_640, number),
        sequence: Sequence::whole(&format!("82{number:08X}")),
    }))
}

/// The records of these numbers, written by `a`.
pub(crate) fn batch(numbers: impl IntoIterator<Item = u32>) -> RecordBatch {
    let records = numbers.into_iter().map(|number| record_of("a", number));
    RecordBatch::new(records.collect())
}

/// The event ids of lines that must all be whole.
pub(crate) fn event_ids(lines: &str) -> Vec<String> {
    assert!(
        lines.is_empty() || lines.ends_with('\n'),
        "the last line is torn: {lines:?}"
    );
    let id = |line: &str| match serde_json::from_str::<Value>(line) {
        Ok(record) => record["eventID"].as_str().unwrap().to_owned(),
        Err(error) => panic!("{error}: {line:?}"),
    };
    lines.lines().map(id).collect()
}
