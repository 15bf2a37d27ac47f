//! Records as lines: one JSON object each (NDJSON).

use std::time::Duration;

use conduit_core::{RecordBatch, SameKey, SinkLimits};

use crate::format::PayloadFormat;

/// Most records of one call: each call is one write, so many records cost little more than one.
const MAX_RECORDS: usize = 1000;

/// What one call may hold: one at a time, its lines in their order.
pub(crate) fn limits(timeout: Duration) -> SinkLimits {
    SinkLimits {
        max_records: MAX_RECORDS,
        concurrency: 1,
        same_key: SameKey::InOrder,
        timeout,
        ..SinkLimits::default()
    }
}

/// Encodes the records of a batch, each with a line feed after it and none within.
pub(crate) fn encode(batch: &RecordBatch, format: PayloadFormat) -> Vec<u8> {
    let size: usize = batch.records().iter().map(|record| record.size() + 1).sum();
    let mut lines = Vec::with_capacity(size);
    for record in batch.records() {
        let start = lines.len();
        lines.extend_from_slice(&format.encode(record));
        let line = &mut lines[start..];
        // JSON has a line feed only between values, where a space is as good. Records hardly ever have one.
        if line.contains(&b'\n') {
            for byte in line.iter_mut().filter(|byte| **byte == b'\n') {
                *byte = b' ';
            }
        }
        lines.push(b'\n');
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use conduit_core::{
        ClusterTime, CollectionName, EventId, Record, RecordKey, RecordParts, RecordType, Sequence, WallTime,
    };

    use super::*;

    #[test]
    fn a_record_is_one_line_even_if_its_json_has_several() {
        let record = Record::new(RecordParts {
            event_id: EventId::new("e1"),
            collection: CollectionName::new("users").unwrap(),
            record_type: RecordType::Insert,
            key: RecordKey::of(b"k"),
            keys: b"{\n\"_id\": 1\n}",
            new_image: Some(br#"{"text":"a\nb"}"#),
            old_image: None,
            timestamp: WallTime::from_millis(0),
            time: ClusterTime::new(1, 1),
            sequence: Sequence::whole("82AB"),
        });
        let batch = RecordBatch::new(vec![Arc::new(record.clone()), Arc::new(record)]);
        for format in [PayloadFormat::Conduit, PayloadFormat::CloudEvents] {
            let lines = String::from_utf8(encode(&batch, format)).unwrap();
            assert_eq!(lines.lines().count(), 2);
            assert!(lines.ends_with("}\n"));
            for line in lines.lines() {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                let record = value.get("data").unwrap_or(&value);
                assert_eq!(record["newImage"]["text"], "a\nb");
                assert_eq!(record["keys"]["_id"], 1);
            }
        }
    }
}
