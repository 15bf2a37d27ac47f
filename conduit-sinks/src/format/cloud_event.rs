//! A record as a CloudEvent.

use std::fmt::Write as _;
use std::io::Write as _;

use bytes::Bytes;
use conduit_core::{Record, RecordType, WallTime};
use jiff::Timestamp;

/// The first moment of the year 0, in milliseconds: RFC 3339 has no earlier ones.
const YEAR_0: i64 = -62_167_219_200_000;

/// Writes the envelope around the record's bytes, which stay as they are.
pub(super) fn encode(record: &Record) -> Bytes {
    let mut json = Vec::with_capacity(record.size() + 384);
    json.extend_from_slice(br#"{"specversion":"1.0","id":"#);
    push_string(&mut json, record.event_id().as_str());
    json.extend_from_slice(br#","source":"#);
    push_string(&mut json, &source(record.collection().as_str()));
    json.extend_from_slice(br#","type":"#);
    push_string(&mut json, event_type(record.record_type()));
    if let Some(time) = rfc3339(record.timestamp()) {
        // Writing to a Vec cannot fail.
        let _ = write!(json, r#","time":"{time}""#);
    }
    json.extend_from_slice(br#","datacontenttype":"application/json","sequence":"#);
    push_string(&mut json, record.sequence().as_str());
    json.extend_from_slice(br#","data":"#);
    json.extend_from_slice(record.json());
    json.push(b'}');
    json.into()
}

fn event_type(record_type: RecordType) -> &'static str {
    match record_type {
        RecordType::Insert => "io.github.conduit-cdc.record.insert",
        RecordType::Modify => "io.github.conduit-cdc.record.modify",
        RecordType::Remove => "io.github.conduit-cdc.record.remove",
    }
}

/// A relative reference, whatever the collection is called.
fn source(collection: &str) -> String {
    let mut text = String::from("conduit/");
    for byte in collection.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

fn rfc3339(time: WallTime) -> Option<String> {
    let millis = time.as_millis();
    let moment = Timestamp::from_millisecond(millis).ok()?;
    (millis >= YEAR_0).then(|| format!("{moment:.3}"))
}

fn push_string(json: &mut Vec<u8>, text: &str) {
    // Writing a string to a Vec cannot fail.
    let _ = serde_json::to_writer(json, text);
}

#[cfg(test)]
mod tests {
    use conduit_core::{ClusterTime, CollectionName, EventId, RecordKey, RecordParts, Sequence};
    use serde_json::{Value, json};

    use super::*;

    fn record(collection: &str, record_type: RecordType, millis: i64) -> Record {
        Record::new(RecordParts {
            event_id: EventId::new("e\"1"),
            collection: CollectionName::new(collection).unwrap(),
            record_type,
            key: RecordKey::of(b"k"),
            keys: br#"{"_id":1}"#,
            new_image: Some(br#"{"_id":1,"a":1.0,"b":0.1000000000000000055511151231257827}"#),
            old_image: None,
            timestamp: WallTime::from_millis(millis),
            time: ClusterTime::new(1_795_380_247, 3),
            sequence: Sequence::whole("82AB"),
        })
    }

    #[test]
    fn an_event_has_the_required_attributes_and_the_record_byte_for_byte() {
        let record = record("my users/ü", RecordType::Modify, 1_795_380_247_402);
        let event = encode(&record);
        let parsed: Value = serde_json::from_slice(&event).unwrap();
        let expected = json!({
            "specversion": "1.0",
            "id": "e\"1",
            "source": "conduit/my%20users%2F%C3%BC",
            "type": "io.github.conduit-cdc.record.modify",
            "time": "2026-11-22T20:44:07.402Z",
            "datacontenttype": "application/json",
            "sequence": "82AB",
            "data": serde_json::from_slice::<Value>(record.json()).unwrap(),
        });
        assert_eq!(parsed, expected);
        let text = String::from_utf8(event.to_vec()).unwrap();
        let data = std::str::from_utf8(record.json()).unwrap();
        assert!(text.ends_with(&format!(r#","data":{data}}}"#)), "{text}");
    }

    #[test]
    fn each_type_of_record_is_a_type_of_event() {
        for (record_type, name) in [
            (RecordType::Insert, "io.github.conduit-cdc.record.insert"),
            (RecordType::Modify, "io.github.conduit-cdc.record.modify"),
            (RecordType::Remove, "io.github.conduit-cdc.record.remove"),
        ] {
            let event: Value = serde_json::from_slice(&encode(&record("a", record_type, 0))).unwrap();
            assert_eq!(event["type"], name);
        }
    }

    #[test]
    fn a_time_that_rfc_3339_does_not_have_is_left_out() {
        for (millis, time) in [
            (0, Some("1970-01-01T00:00:00.000Z")),
            (YEAR_0, Some("0000-01-01T00:00:00.000Z")),
            (YEAR_0 - 1, None),
            (253_402_207_200_000, Some("9999-12-30T22:00:00.000Z")),
            (i64::MAX, None),
        ] {
            let event: Value =
                serde_json::from_slice(&encode(&record("a", RecordType::Insert, millis))).unwrap();
            assert_eq!(event.get("time").and_then(Value::as_str), time);
        }
    }
}
