//! Records, alone and as a history.

use std::ops::Range;
use std::sync::Arc;

use conduit_core::{
    ClusterTime, CollectionName, EventId, Record, RecordKey, RecordParts, RecordType, Sequence, WallTime,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::documents::{documents, texts};
use super::values::{
    cluster_times, collections, event_ids, record_keys, record_types, sequences, wall_times,
};

type Document = Map<String, Value>;

/// Records of any kind, with any images: not all of them can come of a change.
pub fn records() -> impl Strategy<Value = Arc<Record>> {
    let names = (event_ids(), collections(), record_types(), record_keys());
    let places = (wall_times(), cluster_times(), sequences());
    let contents = (documents(), option::of(documents()), option::of(documents()));
    (names, places, contents).prop_map(|(names, places, (keys, new_image, old_image))| {
        let (event_id, collection, record_type, key) = names;
        let (timestamp, time, sequence) = places;
        let bytes = |document: Document| Value::Object(document).to_string().into_bytes();
        let (new_image, old_image) = (new_image.map(bytes), old_image.map(bytes));
        Arc::new(Record::new(RecordParts {
            event_id,
            collection,
            record_type,
            key,
            keys: &bytes(keys),
            new_image: new_image.as_deref(),
            old_image: old_image.as_deref(),
            timestamp,
            time,
            sequence,
        }))
    })
}

/// What one change of a history does.
#[derive(Clone, Debug)]
struct Step {
    document: u8,
    kind: u8,
    /// Whether it shares its time with the change before, as those of a transaction do.
    in_transaction: bool,
    text: String,
}

/// Histories of one collection with so many changes: a few documents that come, change and go; changes of
/// key, which make two records; transactions, whose changes share their time. In order, as a watcher brings
/// them.
pub fn histories(changes: Range<usize>) -> impl Strategy<Value = Vec<Arc<Record>>> {
    let step = (0_u8..5, 0_u8..8, prop::bool::weighted(0.2), texts()).prop_map(
        |(document, kind, in_transaction, text)| Step {
            document,
            kind,
            in_transaction,
            text,
        },
    );
    vec(step, changes).prop_map(|steps| {
        let mut records = Vec::new();
        let mut alive = [false; 6];
        let mut time = ClusterTime::new(1_700_000_000, 1);
        for (n, step) in steps.into_iter().enumerate() {
            if !step.in_transaction {
                time.t += 1;
            }
            let token = format!("82{:08X}{n:04X}", time.t);
            let maker = Maker {
                time,
                n,
                text: step.text,
            };
            let document = usize::from(step.document);
            match (alive[document], step.kind) {
                (true, 0) => {
                    alive[document] = false;
                    records.push(maker.record(document, RecordType::Remove, Sequence::whole(&token)));
                }
                (true, 1) => {
                    let (first, second) = Sequence::pair(&token);
                    alive.swap(document, 5);
                    records.push(maker.record(document, RecordType::Remove, first));
                    records.push(maker.record(5, RecordType::Insert, second));
                    alive[5] = true;
                }
                (is_there, _) => {
                    alive[document] = true;
                    let record_type = if is_there {
                        RecordType::Modify
                    } else {
                        RecordType::Insert
                    };
                    records.push(maker.record(document, record_type, Sequence::whole(&token)));
                }
            }
        }
        records
    })
}

/// The change that records are made of.
struct Maker {
    time: ClusterTime,
    n: usize,
    text: String,
}

impl Maker {
    fn record(&self, document: usize, record_type: RecordType, sequence: Sequence) -> Arc<Record> {
        #[allow(clippy::expect_used)]
        let collection = CollectionName::new("orders").expect("the name is legal");
        let keys = json!({ "_id": document }).to_string();
        let image = json!({ "_id": document, "n": self.n, "text": self.text }).to_string();
        Arc::new(Record::new(RecordParts {
            event_id: EventId::new(format!("event-{}-{document}", self.n)),
            collection,
            record_type,
            key: RecordKey::of(keys.as_bytes()),
            keys: keys.as_bytes(),
            new_image: (record_type != RecordType::Remove).then_some(image.as_bytes()),
            old_image: None,
            timestamp: WallTime::from_millis(i64::from(self.time.t) * 1000),
            time: self.time,
            sequence,
        }))
    }
}
