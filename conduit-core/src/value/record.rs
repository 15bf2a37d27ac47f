//! One change of one document.

use std::fmt;
use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{ClusterTime, CollectionName, EventId, RecordKey, Sequence, WallTime};

/// What a change did to its document.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Debug)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordType {
    /// The document came to be.
    Insert,
    /// The document was updated or replaced.
    Modify,
    /// The document was deleted.
    Remove,
}

impl RecordType {
    /// Returns the name used in records: `INSERT`, `MODIFY` or `REMOVE`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Insert => "INSERT",
            Self::Modify => "MODIFY",
            Self::Remove => "REMOVE",
        }
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a watcher knows of a change; [`Record::new`] makes the record of it.
#[derive(Debug)]
pub struct RecordParts<'a> {
    /// Names the record.
    pub event_id: EventId,
    /// The collection.
    pub collection: CollectionName,
    /// What happened.
    pub record_type: RecordType,
    /// Decides the order: records of one key stay in the order of their changes.
    pub key: RecordKey,
    /// The key as JSON, an object.
    pub keys: &'a [u8],
    /// The document after the change as JSON, an object.
    pub new_image: Option<&'a [u8]>,
    /// The document before the change as JSON, an object.
    pub old_image: Option<&'a [u8]>,
    /// When the change happened.
    pub timestamp: WallTime,
    /// The source's logical time of the change.
    pub time: ClusterTime,
    /// The place among all changes.
    pub sequence: Sequence,
}

/// One change of one document, encoded to JSON once and shared by every destination.
///
/// The JSON is a DynamoDB-style stream record: `eventID`, `eventVersion`, `tableName`, `recordType`, `keys`,
/// `newImage`, `oldImage`, `timestamp` (milliseconds), `sequenceNumber`. An image that is not there is left out.
#[derive(Clone)]
pub struct Record {
    event_id: EventId,
    collection: CollectionName,
    record_type: RecordType,
    key: RecordKey,
    timestamp: WallTime,
    time: ClusterTime,
    sequence: Sequence,
    json: Bytes,
    keys: Bytes,
    new_image: Option<Bytes>,
    old_image: Option<Bytes>,
    fault: Option<Arc<str>>,
    plain: Option<Arc<PlainImages>>,
}

/// The images as plain JSON, of a record that is written otherwise.
struct PlainImages {
    new: Option<Bytes>,
    old: Option<Bytes>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(rename = "eventID")]
    event_id: String,
    table_name: String,
    record_type: RecordType,
    #[serde(borrow)]
    keys: &'a RawValue,
    #[serde(borrow)]
    new_image: Option<&'a RawValue>,
    #[serde(borrow)]
    old_image: Option<&'a RawValue>,
    timestamp: WallTime,
    sequence_number: Sequence,
}

impl Record {
    /// Encodes a record.
    #[must_use]
    pub fn new(parts: RecordParts<'_>) -> Self {
        let images = parts.new_image.map_or(0, <[u8]>::len) + parts.old_image.map_or(0, <[u8]>::len);
        let mut json = Vec::with_capacity(320 + parts.keys.len() + images);
        json.extend_from_slice(b"{\"eventID\":");
        push_string(&mut json, parts.event_id.as_str());
        json.extend_from_slice(b",\"eventVersion\":\"1.0\",\"tableName\":");
        push_string(&mut json, parts.collection.as_str());
        json.extend_from_slice(b",\"recordType\":");
        push_string(&mut json, parts.record_type.as_str());
        let keys = push_raw(&mut json, b",\"keys\":", parts.keys);
        let new_image = parts
            .new_image
            .map(|image| push_raw(&mut json, b",\"newImage\":", image));
        let old_image = parts
            .old_image
            .map(|image| push_raw(&mut json, b",\"oldImage\":", image));
        // Writing to a Vec cannot fail.
        let _ = write!(
            json,
            ",\"timestamp\":{},\"sequenceNumber\":",
            parts.timestamp.as_millis()
        );
        push_string(&mut json, parts.sequence.as_str());
        json.push(b'}');
        let json = Bytes::from(json);
        Self {
            event_id: parts.event_id,
            collection: parts.collection,
            record_type: parts.record_type,
            key: parts.key,
            timestamp: parts.timestamp,
            time: parts.time,
            sequence: parts.sequence,
            keys: json.slice(keys),
            new_image: new_image.map(|range| json.slice(range)),
            old_image: old_image.map(|range| json.slice(range)),
            fault: None,
            plain: None,
            json,
        }
    }

    /// Reads a stored record back from its JSON; what the JSON does not hold comes beside it.
    ///
    /// # Errors
    /// If the bytes are not the JSON of a record.
    pub fn from_json(json: Bytes, key: RecordKey, time: ClusterTime) -> Result<Self, serde_json::Error> {
        let envelope: Envelope<'_> = serde_json::from_slice(&json)?;
        let slice = |raw: &RawValue| json.slice_ref(raw.get().as_bytes());
        let collection = CollectionName::new(envelope.table_name).map_err(serde::de::Error::custom)?;
        Ok(Self {
            event_id: EventId::new(envelope.event_id),
            collection,
            record_type: envelope.record_type,
            key,
            timestamp: envelope.timestamp,
            time,
            sequence: envelope.sequence_number,
            keys: slice(envelope.keys),
            new_image: envelope.new_image.map(slice),
            old_image: envelope.old_image.map(slice),
            fault: None,
            plain: None,
            json: json.clone(),
        })
    }

    /// Returns what names the record.
    #[must_use]
    pub fn event_id(&self) -> &EventId {
        &self.event_id
    }

    /// Returns the collection that changed.
    #[must_use]
    pub fn collection(&self) -> &CollectionName {
        &self.collection
    }

    /// Returns what happened.
    #[must_use]
    pub fn record_type(&self) -> RecordType {
        self.record_type
    }

    /// Returns the key that orders records.
    #[must_use]
    pub fn key(&self) -> RecordKey {
        self.key
    }

    /// Returns when the change happened.
    #[must_use]
    pub fn timestamp(&self) -> WallTime {
        self.timestamp
    }

    /// Returns the source's logical time of the change.
    #[must_use]
    pub fn time(&self) -> ClusterTime {
        self.time
    }

    /// Returns the place among all changes.
    #[must_use]
    pub fn sequence(&self) -> &Sequence {
        &self.sequence
    }

    /// Returns the whole record as JSON. Cloning the bytes is cheap.
    #[must_use]
    pub fn json(&self) -> &Bytes {
        &self.json
    }

    /// Returns the key's fields as a JSON object.
    #[must_use]
    pub fn keys(&self) -> &Bytes {
        &self.keys
    }

    /// Returns the document after the change as a JSON object, if it is known.
    #[must_use]
    pub fn new_image(&self) -> Option<&Bytes> {
        self.new_image.as_ref()
    }

    /// Marks a record whose contents its source could not give, say because the change is larger than the source can
    /// send: it is never sent, but a dead letter at once, with `reason`.
    #[must_use]
    pub fn with_fault(mut self, reason: impl Into<Arc<str>>) -> Self {
        self.fault = Some(reason.into());
        self
    }

    /// Returns why the record cannot be sent anywhere, if it cannot.
    #[must_use]
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// Returns the document before the change as a JSON object, if it is known.
    #[must_use]
    pub fn old_image(&self) -> Option<&Bytes> {
        self.old_image.as_ref()
    }

    /// Gives a record whose images are not plain JSON these beside them, for filters. They are not stored with the record.
    #[must_use]
    pub fn with_plain_images(mut self, new: Option<Bytes>, old: Option<Bytes>) -> Self {
        self.plain = Some(Arc::new(PlainImages { new, old }));
        self
    }

    /// Returns the document after the change as plain JSON, whatever the record is written in.
    #[must_use]
    pub fn plain_new_image(&self) -> Option<&Bytes> {
        match &self.plain {
            Some(plain) => plain.new.as_ref(),
            None => self.new_image.as_ref(),
        }
    }

    /// Returns the document before the change as plain JSON, whatever the record is written in.
    #[must_use]
    pub fn plain_old_image(&self) -> Option<&Bytes> {
        match &self.plain {
            Some(plain) => plain.old.as_ref(),
            None => self.old_image.as_ref(),
        }
    }

    /// Returns the size in bytes that the record counts with against limits.
    #[must_use]
    pub fn size(&self) -> usize {
        self.json.len()
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.record_type, self.collection, self.event_id)
    }
}

fn push_string(json: &mut Vec<u8>, text: &str) {
    // Writing a string to a Vec cannot fail.
    let _ = serde_json::to_writer(json, text);
}

fn push_raw(json: &mut Vec<u8>, name: &[u8], value: &[u8]) -> std::ops::Range<usize> {
    json.extend_from_slice(name);
    let start = json.len();
    json.extend_from_slice(value);
    start..json.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(new_image: Option<&[u8]>) -> Record {
        Record::new(RecordParts {
            event_id: EventId::new("e1"),
            collection: CollectionName::new("us\"ers").unwrap(),
            record_type: RecordType::Modify,
            key: RecordKey::of(b"k"),
            keys: br#"{"_id":1}"#,
            new_image,
            old_image: None,
            timestamp: WallTime::from_millis(1_795_380_247_402),
            time: ClusterTime::new(1_795_380_247, 3),
            sequence: Sequence::whole("82AB"),
        })
    }

    #[test]
    fn the_json_is_a_stream_record_without_the_images_that_are_not_there() {
        let text = String::from_utf8(record(Some(br#"{"_id":1,"a":1.0}"#)).json().to_vec()).unwrap();
        assert_eq!(
            text,
            r#"{"eventID":"e1","eventVersion":"1.0","tableName":"us\"ers","recordType":"MODIFY","keys":{"_id":1},"newImage":{"_id":1,"a":1.0},"timestamp":1795380247402,"sequenceNumber":"82AB"}"#
        );
        assert!(record(None).new_image().is_none());
    }

    #[test]
    fn a_stored_record_reads_back_the_same() {
        let written = record(Some(br#"{"_id":1,"a":1.0}"#));
        let read = Record::from_json(written.json().clone(), written.key(), written.time()).unwrap();
        assert_eq!(read.event_id(), written.event_id());
        assert_eq!(read.keys(), written.keys());
        assert_eq!(read.new_image(), written.new_image());
        assert_eq!(read.sequence(), written.sequence());
        assert_eq!(read.record_type(), written.record_type());
        assert_eq!(read.json(), written.json());
    }
}
