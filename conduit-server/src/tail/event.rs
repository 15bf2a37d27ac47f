//! What became of one record, as readers are told.

use bytes::Bytes;
use conduit_core::{CollectionName, DestinationId, Record, RecordParts, RecordType, Settlement};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::timestamp::rfc3339;

/// Of a larger record the images are left out, and of one that is larger still the keys.
const MAX_RECORD_BYTES: usize = 256 * 1024;
/// Of a longer error only the beginning is told.
const MAX_ERROR_BYTES: usize = 4 * 1024;

/// What became of a record at a destination, written once for all who are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) destination: DestinationId,
    pub(crate) record_type: RecordType,
    /// A [`ToldRecord`] in one line of JSON.
    pub(crate) json: Bytes,
}

/// The data of an event named `record`.
#[derive(Debug, Serialize)]
struct ToldRecord<'a> {
    /// When it was settled, or an attempt failed: RFC 3339.
    time: String,
    destination: &'a DestinationId,
    /// `delivered`, `filtered`, `retried` or `dead_lettered`.
    outcome: &'static str,
    /// Which of the counted attempts it was, from 1; 0 if it was none.
    attempt: u32,
    /// Why it failed, if it did.
    error: Option<&'a str>,
    /// Whether the record is too large to be shown whole: images are left out of it, and perhaps the keys.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
    /// The record as it is delivered in the format `conduit`.
    record: &'a RawValue,
}

/// What is looked at of an event that comes from another process.
#[derive(Deserialize)]
struct Head {
    destination: DestinationId,
    record: RecordHead,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordHead {
    record_type: RecordType,
}

impl Event {
    /// Writes an event of what the engine tells; `None` if the record is no JSON, which no source makes.
    pub(crate) fn of(settlement: &Settlement<'_>) -> Option<Self> {
        let record = settlement.record;
        let (json, truncated) = shown(record);
        let told = ToldRecord {
            time: rfc3339(settlement.at),
            destination: &settlement.subscription.destination,
            outcome: settlement.settled.as_str(),
            attempt: settlement.attempt,
            error: settlement.error.map(clipped),
            truncated,
            record: serde_json::from_slice(&json).ok()?,
        };
        let mut line = serde_json::to_vec(&told).ok()?;
        // Between the tokens of a foreign source's JSON there can be line ends, and an event is one line.
        for byte in &mut line {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        Some(Self {
            destination: told.destination.clone(),
            record_type: record.record_type(),
            json: line.into(),
        })
    }

    /// Reads an event back from its JSON.
    pub(crate) fn from_json(json: &str) -> Option<Self> {
        let head: Head = serde_json::from_str(json).ok()?;
        Some(Self {
            destination: head.destination,
            record_type: head.record.record_type,
            json: Bytes::copy_from_slice(json.as_bytes()),
        })
    }
}

/// The JSON to show of a record, and whether something is left out of it.
fn shown(record: &Record) -> (Bytes, bool) {
    if record.size() <= MAX_RECORD_BYTES {
        return (record.json().clone(), false);
    }
    let without_images = without(record, record.keys());
    if without_images.len() <= MAX_RECORD_BYTES {
        (without_images, true)
    } else {
        (without(record, b"{}"), true)
    }
}

/// A record's JSON without images, and with these keys.
fn without(record: &Record, keys: &[u8]) -> Bytes {
    let parts = RecordParts {
        event_id: record.event_id().clone(),
        collection: record.collection().clone(),
        record_type: record.record_type(),
        key: record.key(),
        keys,
        new_image: None,
        old_image: None,
        timestamp: record.timestamp(),
        time: record.time(),
        sequence: record.sequence().clone(),
    };
    Record::new(parts).json().clone()
}

fn clipped(error: &str) -> &str {
    let is_end = |end: &usize| error.is_char_boundary(*end);
    let end = (0..=MAX_ERROR_BYTES.min(error.len())).rev().find(is_end);
    &error[..end.unwrap_or_default()]
}

/// The frame that begins a stream of a collection's events.
pub(crate) fn open_frame(collection: &CollectionName) -> Bytes {
    let data = serde_json::json!({ "collection_name": collection });
    format!("event: open\ndata: {data}\n\n").into()
}

/// The frame that says how many events a reader was too slow for.
pub(crate) fn missed_frame(count: u64) -> Bytes {
    format!("event: missed\ndata: {{\"count\":{count}}}\n\n").into()
}

impl Event {
    /// Appends the frame that tells of this event.
    pub(crate) fn write_frame(&self, frames: &mut Vec<u8>) {
        frames.extend_from_slice(b"event: record\ndata: ");
        frames.extend_from_slice(&self.json);
        frames.extend_from_slice(b"\n\n");
    }
}

#[cfg(test)]
mod tests {
    use conduit_core::{ClusterTime, EventId, RecordKey, Sequence, SettledAs, SubscriptionId, WallTime};
    use serde_json::{Value, json};

    use super::*;

    fn told(keys: &str, image: &str, error: Option<&str>) -> (Event, Value) {
        let subscription = SubscriptionId {
            collection: CollectionName::new("orders").unwrap(),
            destination: DestinationId::new("d").unwrap(),
        };
        let record = Record::new(RecordParts {
            event_id: EventId::new("e1"),
            collection: subscription.collection.clone(),
            record_type: RecordType::Insert,
            key: RecordKey::of(b"k"),
            keys: keys.as_bytes(),
            new_image: Some(image.as_bytes()),
            old_image: None,
            timestamp: WallTime::from_millis(0),
            time: ClusterTime::new(1, 1),
            sequence: Sequence::whole("82"),
        });
        let settlement = Settlement {
            subscription: &subscription,
            record: &record,
            settled: SettledAs::Retried,
            attempt: 2,
            took: None,
            at: WallTime::from_millis(1_795_380_247_402),
            error,
        };
        let event = Event::of(&settlement).unwrap();
        let value = serde_json::from_slice(&event.json).unwrap();
        (event, value)
    }

    #[test]
    fn an_event_is_a_line_that_reads_back_the_same() {
        let (event, value) = told("{\"_id\":\n1}", r#"{"_id":1,"total":1.0}"#, Some("HTTP 500"));
        assert!(!event.json.contains(&b'\n'));
        assert_eq!(value["time"], "2026-11-22T20:44:07.402Z");
        assert_eq!(
            (&value["destination"], &value["outcome"]),
            (&json!("d"), &json!("retried"))
        );
        assert_eq!(
            (&value["attempt"], &value["error"]),
            (&json!(2), &json!("HTTP 500"))
        );
        assert_eq!(value["record"]["newImage"]["total"], 1.0);
        assert_eq!(value.get("truncated"), None);
        let text = std::str::from_utf8(&event.json).unwrap();
        assert_eq!(Event::from_json(text), Some(event.clone()));
    }

    #[test]
    fn of_a_large_record_the_images_are_left_out_and_if_need_be_the_keys() {
        let large = format!(r#"{{"_id":"{}"}}"#, "x".repeat(300 * 1024));
        let (event, value) = told(r#"{"_id":1}"#, &large, None);
        assert!(event.json.len() < 1024);
        assert_eq!(value["truncated"], true);
        assert_eq!(
            (&value["record"]["keys"], value["record"].get("newImage")),
            (&json!({"_id": 1}), None)
        );
        let (event, value) = told(&large, &large, None);
        assert!(event.json.len() < 1024);
        assert_eq!(
            (&value["record"]["keys"], &value["record"]["eventID"]),
            (&json!({}), &json!("e1"))
        );
    }

    #[test]
    fn of_a_long_error_the_beginning_is_told() {
        let (_, value) = told("{}", "{}", Some(&"ä".repeat(MAX_ERROR_BYTES)));
        assert_eq!(value["error"].as_str().map(str::len), Some(MAX_ERROR_BYTES));
    }
}
