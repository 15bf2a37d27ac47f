//! One change of one document.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::record_contents::Encoded;
use super::{ClusterTime, CollectionName, EventId, PlainImages, RecordKey, Sequence, WallTime};

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

/// A change without its contents, of which [`RecordWriter::write`](super::RecordWriter::write) makes a record.
#[derive(Clone, Debug)]
pub struct RecordHead {
    /// Names the record.
    pub event_id: EventId,
    /// The collection.
    pub collection: CollectionName,
    /// What happened.
    pub record_type: RecordType,
    /// Decides the order: records of one key stay in the order of their changes.
    pub key: RecordKey,
    /// When the change happened.
    pub timestamp: WallTime,
    /// The source's logical time of the change.
    pub time: ClusterTime,
    /// The place among all changes.
    pub sequence: Sequence,
    /// Why the record cannot be sent anywhere, if so: see [`Record::with_fault`].
    pub fault: Option<Arc<str>>,
}

/// One change of one document, encoded to JSON once and shared by every destination.
///
/// The JSON is a DynamoDB-style stream record: `eventID`, `eventVersion`, `tableName`, `recordType`, `keys`,
/// `newImage`, `oldImage`, `timestamp` (milliseconds), `sequenceNumber`. An image that is not there is left out.
#[derive(Clone)]
pub struct Record {
    pub(super) head: RecordHead,
    pub(super) json: Bytes,
    pub(super) keys: Bytes,
    pub(super) new_image: Option<Bytes>,
    pub(super) old_image: Option<Bytes>,
    pub(super) plain: Option<Arc<PlainImages>>,
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
        let head = RecordHead {
            event_id: parts.event_id,
            collection: parts.collection,
            record_type: parts.record_type,
            key: parts.key,
            timestamp: parts.timestamp,
            time: parts.time,
            sequence: parts.sequence,
            fault: None,
        };
        let contents = Encoded {
            keys: parts.keys,
            new_image: parts.new_image,
            old_image: parts.old_image,
        };
        super::record_writer::write_one(head, &contents)
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
            head: RecordHead {
                event_id: EventId::new(envelope.event_id),
                collection,
                record_type: envelope.record_type,
                key,
                timestamp: envelope.timestamp,
                time,
                sequence: envelope.sequence_number,
                fault: None,
            },
            keys: slice(envelope.keys),
            new_image: envelope.new_image.map(slice),
            old_image: envelope.old_image.map(slice),
            plain: None,
            json: json.clone(),
        })
    }

    /// Returns what names the record.
    #[must_use]
    pub fn event_id(&self) -> &EventId {
        &self.head.event_id
    }

    /// Returns the collection that changed.
    #[must_use]
    pub fn collection(&self) -> &CollectionName {
        &self.head.collection
    }

    /// Returns what happened.
    #[must_use]
    pub fn record_type(&self) -> RecordType {
        self.head.record_type
    }

    /// Returns the key that orders records.
    #[must_use]
    pub fn key(&self) -> RecordKey {
        self.head.key
    }

    /// Returns when the change happened.
    #[must_use]
    pub fn timestamp(&self) -> WallTime {
        self.head.timestamp
    }

    /// Returns the source's logical time of the change.
    #[must_use]
    pub fn time(&self) -> ClusterTime {
        self.head.time
    }

    /// Returns the place among all changes.
    #[must_use]
    pub fn sequence(&self) -> &Sequence {
        &self.head.sequence
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
        self.head.fault = Some(reason.into());
        self
    }

    /// Returns why the record cannot be sent anywhere, if it cannot.
    #[must_use]
    pub fn fault(&self) -> Option<&str> {
        self.head.fault.as_deref()
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

    /// Returns the same record in memory of its own.
    ///
    /// Records that were read together share buffers, of which each of them keeps all, at most 16 KiB beyond its own size.
    /// For whoever keeps single ones for long.
    #[must_use]
    pub fn detached(&self) -> Self {
        let json = Bytes::copy_from_slice(&self.json);
        let slice = |part: &Bytes| {
            let start = part.as_ptr().addr() - self.json.as_ptr().addr();
            json.slice(start..start + part.len())
        };
        Self {
            head: self.head.clone(),
            keys: slice(&self.keys),
            new_image: self.new_image.as_ref().map(slice),
            old_image: self.old_image.as_ref().map(slice),
            plain: self.plain.clone(),
            json,
        }
    }

    /// Returns the size in bytes that the record counts with against limits: that of its JSON.
    ///
    /// All records of a buffer together have the size of that; see [`Record::detached`] for few of many.
    #[must_use]
    pub fn size(&self) -> usize {
        self.json.len()
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = &self.head;
        write!(f, "{} {} {}", head.record_type, head.collection, head.event_id)
    }
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
