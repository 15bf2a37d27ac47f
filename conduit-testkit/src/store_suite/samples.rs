//! Sample values: numbered, so that a test reads as a story.

use std::sync::Arc;

use conduit_core::{
    ClusterTime, CollectionName, DestinationId, EventId, ParkedRecord, Position, Record, RecordKey,
    RecordParts, RecordType, RetryId, Sequence, StreamIdentity, WallTime,
};

/// A collection's name.
#[must_use]
pub fn collection(name: &str) -> CollectionName {
    CollectionName::new(name).expect("a sample collection name is legal")
}

/// A destination's id.
#[must_use]
pub fn destination(id: &str) -> DestinationId {
    DestinationId::new(id).expect("a sample destination id is legal")
}

/// The cluster time of the `n`th change.
#[must_use]
pub fn at(n: u32) -> ClusterTime {
    ClusterTime::new(1_700_000_000 + n, 1)
}

/// The position after the `n`th change.
#[must_use]
pub fn stored_position(n: u32) -> Position {
    let stream = StreamIdentity {
        source: "rs0".into(),
        options: "plain".into(),
    };
    Position::after(at(n), token(n), Arc::new(stream))
}

/// The resume token of the `n`th change.
#[must_use]
pub(super) fn token(n: u32) -> String {
    format!("82{n:08X}")
}

/// The `n`th change as a record, of the document `key`.
#[must_use]
pub fn record(collection: &CollectionName, n: u32, key: &str) -> Arc<Record> {
    let keys = format!(r#"{{"_id":"{key}"}}"#);
    let image = format!(r#"{{"_id":"{key}","n":{n},"half":1.50,"text":"\u00e4\n/ {{}} ä €","none":null}}"#);
    Arc::new(Record::new(RecordParts {
        event_id: EventId::new(format!("event-{n}")),
        collection: collection.clone(),
        record_type: RecordType::Modify,
        key: RecordKey::of(key.as_bytes()),
        keys: keys.as_bytes(),
        new_image: Some(image.as_bytes()),
        old_image: None,
        timestamp: WallTime::from_millis(1_700_000_000_000 + i64::from(n)),
        time: at(n),
        sequence: Sequence::whole(&token(n)),
    }))
}

/// `record` as it goes into the retry queue after its first attempt at the moment `due` less a second.
#[must_use]
pub fn retry_parked(id: u64, record: &Arc<Record>, due: WallTime) -> ParkedRecord {
    let attempt = WallTime::from_millis(due.as_millis() - 1000);
    ParkedRecord {
        id: RetryId(id),
        record: Some(record.clone()),
        key: record.key(),
        due: Some(due),
        attempts: 1,
        first_attempt: Some(attempt),
        last_attempt: Some(attempt),
        last_error: Some("POST answered 500".into()),
    }
}
