//! Sample records: numbered, so that a test reads as a story.

use std::sync::Arc;

use conduit_core::{
    ClusterTime, CollectionName, EventId, Record, RecordKey, RecordParts, RecordType, Sequence, WallTime,
};

/// A text in the contents of every sample that must not be shown.
pub(super) const CONTENTS: &str = "s3cret-contents";

/// The JSON of a record's parts that clauses care for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contents<'a> {
    pub(super) record_type: RecordType,
    pub(super) keys: &'a str,
    pub(super) new_image: Option<&'a str>,
    pub(super) old_image: Option<&'a str>,
}

/// The `n`th change, of the document `key`.
pub(super) fn record(n: usize, key: &str) -> Arc<Record> {
    let keys = format!(r#"{{"_id":"{key}"}}"#);
    let image = format!(r#"{{"_id":"{key}","n":{n},"text":"{CONTENTS}"}}"#);
    let contents = Contents {
        record_type: RecordType::Modify,
        keys: &keys,
        new_image: Some(&image),
        old_image: None,
    };
    record_of(n, contents)
}

/// The `n`th change, with these contents.
pub(super) fn record_of(n: usize, contents: Contents<'_>) -> Arc<Record> {
    let number = u32::try_from(n).expect("a sample has a small number");
    Arc::new(Record::new(RecordParts {
        event_id: EventId::new(format!("event-{n}")),
        collection: CollectionName::new("orders").expect("a sample collection name is legal"),
        record_type: contents.record_type,
        key: RecordKey::of(contents.keys.as_bytes()),
        keys: contents.keys.as_bytes(),
        new_image: contents.new_image.map(str::as_bytes),
        old_image: contents.old_image.map(str::as_bytes),
        timestamp: WallTime::from_millis(1_700_000_000_000 + i64::from(number)),
        time: ClusterTime::new(1_700_000_000 + number, 1),
        sequence: Sequence::whole(&format!("82{n:08X}")),
    }))
}

/// The `n`th change, of exactly so many bytes, or of as few as a record has.
pub(super) fn record_of_size(n: usize, key: &str, bytes: usize) -> Arc<Record> {
    let keys = format!(r#"{{"_id":"{key}"}}"#);
    let of_padding = |length: usize| {
        let image = format!(r#"{{"_id":"{key}","pad":"{}"}}"#, "x".repeat(length));
        let contents = Contents {
            record_type: RecordType::Insert,
            keys: &keys,
            new_image: Some(&image),
            old_image: None,
        };
        record_of(n, contents)
    };
    let least = of_padding(0).size();
    of_padding(bytes.saturating_sub(least))
}
