//! Makes records of events.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use conduit_core::{
    EventId, ImageFormat, Images, KeyHasher, Record, RecordKey, RecordParts, RecordType, Sequence,
    WatchTarget,
};

use super::demand::Demand;
use super::event::{Event, Operation};
use crate::document::{DecodeError, Element, find, hash_values, write_fields, write_json_bytes};

const TOO_LARGE: &str = "the change is larger than mongodb can send (16 MB)";

/// Makes records of events, for the targets of one stream. Keeps its buffers from event to event.
#[derive(Debug)]
pub(super) struct Transcoder {
    database: String,
    targets: HashMap<Vec<u8>, WatchTarget>,
    buffers: Buffers,
}

#[derive(Debug, Default)]
struct Buffers {
    key: Vec<u8>,
    keys: Vec<u8>,
    new_image: Vec<u8>,
    old_image: Vec<u8>,
}

/// A field of the key, and its value if it is there.
type KeyField<'a> = (&'a [u8], Option<Element<'a>>);

impl Transcoder {
    pub(super) fn new(database: &str, targets: &[WatchTarget]) -> Self {
        let by_name = |target: &WatchTarget| (target.collection.as_str().as_bytes().to_vec(), target.clone());
        Self {
            database: database.to_owned(),
            targets: targets.iter().map(by_name).collect(),
            buffers: Buffers::default(),
        }
    }

    /// Whether changes of the collection make records.
    pub(super) fn wants(&self, collection: &[u8]) -> bool {
        self.targets.contains_key(collection)
    }

    /// Appends the records of an event: none, one, or two where the key's fields changed.
    ///
    /// Where there is no having the images, because the reply does not bring them or because they cannot be
    /// decoded, the same records come without, marked with the reason.
    pub(super) fn transcode(
        &mut self,
        event: &Event<'_>,
        demand: Demand,
        records: &mut Vec<Arc<Record>>,
    ) -> Result<(), DecodeError> {
        if demand.lacks_images() {
            return self.transcode_faulty(event, TOO_LARGE, records);
        }
        let before = records.len();
        let Err(error) = self.make(event, None, records) else {
            return Ok(());
        };
        records.truncate(before);
        let reason = format!("the change cannot be decoded: {error}");
        // The first error says more than the second.
        self.transcode_faulty(event, &reason, records).map_err(|_| error)
    }

    /// Keys are taken from what there is of the images; if that is of no use, the key is the document's `_id`.
    fn transcode_faulty(
        &mut self,
        event: &Event<'_>,
        reason: &str,
        records: &mut Vec<Arc<Record>>,
    ) -> Result<(), DecodeError> {
        let before = records.len();
        if self.make(event, Some(reason), records).is_ok() {
            return Ok(());
        }
        records.truncate(before);
        self.make(&event.without_images(), Some(reason), records)
    }

    fn make(
        &mut self,
        event: &Event<'_>,
        fault: Option<&str>,
        records: &mut Vec<Arc<Record>>,
    ) -> Result<(), DecodeError> {
        let Some(target) = self.targets.get(event.collection) else {
            return Ok(());
        };
        let old_image = event.old_image.filter(|_| target.images == Images::NewAndOld);
        let whole = |record_type, keys_of: Option<_>, new_image, old_image| Change {
            record_type,
            sequence: Sequence::whole(event.token),
            keys_of,
            new_image,
            old_image,
            fault,
        };
        let change = match event.operation {
            Operation::Insert => whole(RecordType::Insert, event.new_image, event.new_image, None),
            Operation::Delete => whole(RecordType::Remove, event.old_image, None, old_image),
            Operation::Update | Operation::Replace => {
                if let (Some(old), Some(new)) = (event.old_image, event.new_image)
                    && is_key_changed(target, old, new, &mut self.buffers.key)?
                {
                    let (first, second) = Sequence::pair(event.token);
                    let remove = Change {
                        record_type: RecordType::Remove,
                        sequence: first,
                        keys_of: Some(old),
                        new_image: None,
                        old_image,
                        fault,
                    };
                    let insert = Change {
                        record_type: RecordType::Insert,
                        sequence: second,
                        keys_of: Some(new),
                        new_image: Some(new),
                        old_image: None,
                        fault,
                    };
                    let buffers = &mut self.buffers;
                    records.push(remove.record(&self.database, target, event, buffers)?);
                    records.push(insert.record(&self.database, target, event, buffers)?);
                    return Ok(());
                }
                whole(RecordType::Modify, event.new_image, event.new_image, old_image)
            }
            Operation::Other => return Ok(()),
        };
        records.push(change.record(&self.database, target, event, &mut self.buffers)?);
        Ok(())
    }
}

/// One record to be made of an event.
struct Change<'a> {
    record_type: RecordType,
    sequence: Sequence,
    /// The image that the key schema's fields are taken from.
    keys_of: Option<&'a [u8]>,
    new_image: Option<&'a [u8]>,
    old_image: Option<&'a [u8]>,
    /// Why the images cannot be had, if so.
    fault: Option<&'a str>,
}

impl Change<'_> {
    fn record(
        self,
        database: &str,
        target: &WatchTarget,
        event: &Event<'_>,
        buffers: &mut Buffers,
    ) -> Result<Arc<Record>, DecodeError> {
        let fields = match self.keys_of {
            Some(image) if !target.key_fields.is_empty() => key_fields(target, image)?,
            _ => vec![id_field(event)?],
        };
        let key = hash(&fields, &mut buffers.key)?;
        buffers.keys.clear();
        write_fields(fields.into_iter(), &mut buffers.keys)?;
        let shown = |image: Option<_>| image.filter(|_| self.fault.is_none());
        let new_image = image(shown(self.new_image), target.image_format, &mut buffers.new_image)?;
        let old_image = image(shown(self.old_image), target.image_format, &mut buffers.old_image)?;
        let record = Record::new(RecordParts {
            event_id: event_id(database, target, &self.sequence),
            collection: target.collection.clone(),
            record_type: self.record_type,
            key,
            keys: &buffers.keys,
            new_image,
            old_image,
            timestamp: event.timestamp(),
            time: event.time,
            sequence: self.sequence,
        });
        Ok(Arc::new(match self.fault {
            Some(reason) => record.with_fault(reason),
            None if target.plain_images && target.image_format != ImageFormat::Json => {
                record.with_plain_images(plain(self.new_image)?, plain(self.old_image)?)
            }
            None => record,
        }))
    }
}

/// Whether the values of the key schema's fields differ between the images.
fn is_key_changed(
    target: &WatchTarget,
    old: &[u8],
    new: &[u8],
    buffer: &mut Vec<u8>,
) -> Result<bool, DecodeError> {
    if target.key_fields.is_empty() {
        return Ok(false);
    }
    let before = hash(&key_fields(target, old)?, buffer)?;
    Ok(before != hash(&key_fields(target, new)?, buffer)?)
}

fn key_fields<'a>(target: &'a WatchTarget, image: &'a [u8]) -> Result<Vec<KeyField<'a>>, DecodeError> {
    let field = |name: &'a String| Ok((name.as_bytes(), find(image, name.as_bytes())?));
    target.key_fields.iter().map(field).collect()
}

fn id_field<'a>(event: &Event<'a>) -> Result<KeyField<'a>, DecodeError> {
    const MISSING: DecodeError = DecodeError::new("the event has no document key");
    let id = find(event.document_key.ok_or(MISSING)?, b"_id")?.ok_or(MISSING)?;
    Ok((b"_id", Some(id)))
}

fn hash(fields: &[KeyField<'_>], buffer: &mut Vec<u8>) -> Result<RecordKey, DecodeError> {
    hash_values(fields.iter().map(|(_, value)| *value), buffer)
}

/// The same for the same change, from whatever stream it is read: tokens are.
fn event_id(database: &str, target: &WatchTarget, sequence: &Sequence) -> EventId {
    let mut hasher = KeyHasher::default();
    for part in [database, target.collection.as_str(), sequence.as_str()] {
        hasher.write(part.as_bytes());
        hasher.write(b"\0");
    }
    EventId::new(hasher.finish().to_string())
}

fn image<'b>(
    document: Option<&[u8]>,
    format: ImageFormat,
    buffer: &'b mut Vec<u8>,
) -> Result<Option<&'b [u8]>, DecodeError> {
    let Some(document) = document else { return Ok(None) };
    buffer.clear();
    write_json_bytes(document, format, buffer)?;
    Ok(Some(buffer))
}

fn plain(document: Option<&[u8]>) -> Result<Option<Bytes>, DecodeError> {
    let mut written = Vec::new();
    let is_there = image(document, ImageFormat::Json, &mut written)?.is_some();
    Ok(is_there.then(|| Bytes::from(written)))
}

#[cfg(test)]
mod tests {
    use bson::{RawDocumentBuf, Timestamp, rawdoc};
    use conduit_core::CollectionName;

    use super::super::demand::Contents;
    use super::*;

    fn transcoder(key_fields: &[&str]) -> Transcoder {
        let target = WatchTarget {
            key_fields: key_fields.iter().map(|&field| field.into()).collect(),
            images: Images::NewAndOld,
            ..WatchTarget::new(CollectionName::new("users").unwrap())
        };
        Transcoder::new("shop", &[target])
    }

    fn update(old: RawDocumentBuf, new: RawDocumentBuf) -> RawDocumentBuf {
        rawdoc! {
            "_id": { "_data": "82AB" },
            "operationType": "update",
            "clusterTime": Timestamp { time: 7, increment: 3 },
            "ns": { "db": "shop", "coll": "users" },
            "documentKey": { "_id": 1 },
            "fullDocument": new,
            "fullDocumentBeforeChange": old,
        }
    }

    /// Deeper than any document of MongoDB.
    fn nested() -> RawDocumentBuf {
        (0..300).fold(rawdoc! {}, |inner, _| rawdoc! { "in": inner })
    }

    fn records(transcoder: &mut Transcoder, event: &RawDocumentBuf, demand: Demand) -> Vec<Arc<Record>> {
        let mut records = Vec::new();
        let event = Event::parse(event.as_bytes()).unwrap();
        transcoder.transcode(&event, demand, &mut records).unwrap();
        records
    }

    #[test]
    fn images_in_extended_json_come_as_plain_json_too_where_that_is_wanted() {
        let event = update(rawdoc! { "n": 1_i64 }, rawdoc! { "n": 2_i64 });
        for plain_images in [false, true] {
            let target = WatchTarget {
                images: Images::NewAndOld,
                image_format: ImageFormat::Extjson,
                plain_images,
                ..WatchTarget::new(CollectionName::new("users").unwrap())
            };
            let records = records(&mut Transcoder::new("shop", &[target]), &event, Demand::many(10));
            let texts = [
                records[0].new_image(),
                records[0].plain_new_image(),
                records[0].plain_old_image(),
            ];
            let texts = texts.map(|image| std::str::from_utf8(image.unwrap()).unwrap());
            let extended = |n| format!(r#"{{"n":{{"$numberLong":"{n}"}}}}"#);
            let wanted = match plain_images {
                false => [extended(2), extended(2), extended(1)],
                true => [extended(2), r#"{"n":2}"#.to_owned(), r#"{"n":1}"#.to_owned()],
            };
            assert_eq!(texts, wanted.each_ref().map(String::as_str));
        }
    }

    /// Type, keys, whether there is a fault and whether there are images.
    fn lines(records: &[Arc<Record>]) -> Vec<String> {
        let line = |record: &Arc<Record>| {
            let keys = String::from_utf8_lossy(record.keys()).into_owned();
            let has_images = record.new_image().or(record.old_image()).is_some();
            let is_faulty = record.fault().is_some();
            format!(
                "{} {keys} images {has_images} fault {is_faulty}",
                record.record_type()
            )
        };
        records.iter().map(line).collect()
    }

    #[test]
    fn a_change_whose_image_cannot_be_decoded_makes_the_same_record_without_images() {
        let many = Demand::many(10);
        let good = update(rawdoc! { "id": 7 }, rawdoc! { "id": 7, "x": 1 });
        let bad = update(rawdoc! { "id": 7 }, rawdoc! { "id": 7, "x": nested() });
        let mut transcoder = transcoder(&["id"]);
        let good = records(&mut transcoder, &good, many);
        let bad = records(&mut transcoder, &bad, many);
        assert_eq!(lines(&good), [r#"MODIFY {"id":7} images true fault false"#]);
        assert_eq!(lines(&bad), [r#"MODIFY {"id":7} images false fault true"#]);
        assert!(bad[0].fault().unwrap().contains("nested too deep"));
        assert_eq!(bad[0].event_id(), good[0].event_id());
        assert_eq!(bad[0].sequence(), good[0].sequence());
        assert_eq!(bad[0].key(), good[0].key());
    }

    #[test]
    fn a_key_that_cannot_be_decoded_is_replaced_by_the_id() {
        let event = update(rawdoc! { "id": 7 }, rawdoc! { "id": nested() });
        let records = records(&mut transcoder(&["id"]), &event, Demand::many(10));
        assert_eq!(lines(&records), [r#"MODIFY {"_id":1} images false fault true"#]);
    }

    #[test]
    fn a_change_of_the_key_is_two_records_without_images_too() {
        let event = update(rawdoc! { "id": 7 }, rawdoc! { "id": 8 });
        let records = records(&mut transcoder(&["id"]), &event, Demand::one(Contents::Keys));
        assert_eq!(
            lines(&records),
            [
                r#"REMOVE {"id":7} images false fault true"#,
                r#"INSERT {"id":8} images false fault true"#,
            ]
        );
        assert!(records.iter().all(|record| record.fault() == Some(TOO_LARGE)));
    }

    #[test]
    fn an_event_without_a_document_key_is_an_error() {
        let event = rawdoc! {
            "_id": { "_data": "82AB" },
            "operationType": "insert",
            "clusterTime": Timestamp { time: 7, increment: 3 },
            "ns": { "db": "shop", "coll": "users" },
        };
        let event = Event::parse(event.as_bytes()).unwrap();
        let mut records = Vec::new();
        let result = transcoder(&[]).transcode(&event, Demand::many(10), &mut records);
        assert!(result.is_err() && records.is_empty());
    }
}
