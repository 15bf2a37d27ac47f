//! Makes records of events.

use std::collections::HashMap;

use conduit_core::{Images, RecordType, RecordWriter, Sequence, WatchTarget};

use super::change::{Change, Scratch, Target, is_key_changed};
use super::demand::Demand;
use super::event::{Event, Operation};
use crate::document::DecodeError;

const TOO_LARGE: &str = "the change is larger than mongodb can send (16 MB)";

/// Makes records of events, for the targets of one stream. Keeps its buffers from event to event.
#[derive(Debug)]
pub(super) struct Transcoder {
    targets: Vec<Target>,
    by_name: HashMap<Vec<u8>, usize>,
    /// The target of the event before: often the next one is of it, too.
    last: usize,
    scratch: Scratch,
}

impl Transcoder {
    pub(super) fn new(database: &str, targets: &[WatchTarget]) -> Self {
        let name = |target: &WatchTarget| target.collection.as_str().as_bytes().to_vec();
        Self {
            by_name: targets.iter().map(name).zip(0..).collect(),
            targets: targets
                .iter()
                .map(|target| Target::new(database, target.clone()))
                .collect(),
            last: 0,
            scratch: Scratch::default(),
        }
    }

    /// Whether changes of the collection make records.
    pub(super) fn wants(&mut self, collection: &[u8]) -> bool {
        let is_last = |target: &Target| target.watched.collection.as_str().as_bytes() == collection;
        if self.targets.get(self.last).is_some_and(is_last) {
            return true;
        }
        let found = self.by_name.get(collection);
        self.last = found.copied().unwrap_or(self.last);
        found.is_some()
    }

    /// Writes the records of an event: none, one, or two where the key's fields changed. Returns their size.
    ///
    /// Where there is no having the images, because the reply does not bring them or because they cannot be
    /// decoded, the same records come without, marked with the reason. After an error there is none.
    pub(super) fn transcode(
        &mut self,
        event: &Event<'_>,
        demand: Demand,
        writer: &mut RecordWriter,
    ) -> Result<usize, DecodeError> {
        if demand.lacks_images() {
            return self.transcode_faulty(event, TOO_LARGE, writer);
        }
        self.make(event, None, writer).or_else(|error| {
            let reason = format!("the change cannot be decoded: {error}");
            // The first error says more than the second.
            self.transcode_faulty(event, &reason, writer).map_err(|_| error)
        })
    }

    /// Keys are taken from what there is of the images; if that is of no use, the key is the document's `_id`.
    fn transcode_faulty(
        &mut self,
        event: &Event<'_>,
        reason: &str,
        writer: &mut RecordWriter,
    ) -> Result<usize, DecodeError> {
        self.make(event, Some(reason), writer)
            .or_else(|_| self.make(&event.without_images(), Some(reason), writer))
    }

    /// All of the event's records, or none.
    fn make(
        &mut self,
        event: &Event<'_>,
        fault: Option<&str>,
        writer: &mut RecordWriter,
    ) -> Result<usize, DecodeError> {
        if !self.wants(event.collection) {
            return Ok(0);
        }
        let target = &self.targets[self.last];
        let scratch = &mut self.scratch;
        let old_image = event
            .old_image
            .filter(|_| target.watched.images == Images::NewAndOld);
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
                    && is_key_changed(&target.watched, old, new, scratch)?
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
                    let before = writer.len();
                    let removed = remove.write(target, event, scratch, writer)?;
                    return match insert.write(target, event, scratch, writer) {
                        Ok(inserted) => Ok(removed + inserted),
                        Err(error) => {
                            writer.truncate(before);
                            Err(error)
                        }
                    };
                }
                whole(RecordType::Modify, event.new_image, event.new_image, old_image)
            }
            Operation::Other => return Ok(0),
        };
        change.write(target, event, scratch, writer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bson::{RawDocumentBuf, Timestamp, rawdoc};
    use conduit_core::{CollectionName, ImageFormat, Record};

    use proptest::prelude::*;

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
        let mut writer = RecordWriter::new();
        let event = Event::parse(event.as_bytes()).unwrap();
        let size = transcoder.transcode(&event, demand, &mut writer).unwrap();
        let records = writer.finish();
        assert_eq!(size, records.iter().map(|record| record.size()).sum::<usize>());
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
    fn of_a_change_of_the_key_neither_record_has_images_if_one_cannot_be_decoded() {
        let event = update(rawdoc! { "id": 7 }, rawdoc! { "id": 8, "x": nested() });
        let records = records(&mut transcoder(&["id"]), &event, Demand::many(10));
        assert_eq!(
            lines(&records),
            [
                r#"REMOVE {"id":7} images false fault true"#,
                r#"INSERT {"id":8} images false fault true"#,
            ]
        );
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

    proptest! {
        /// A record's parts are where it says, whatever became of the event on its way.
        #[test]
        fn no_change_of_bytes_makes_a_record_that_is_not_json(
            flips in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..4),
        ) {
            let mut bytes = update(rawdoc! { "id": 7, "x": "ä" }, rawdoc! { "id": 8, "y": [1.5, true] }).into_bytes();
            let length = bytes.len();
            for (at, byte) in flips {
                bytes[at % length] = byte;
            }
            let Ok(event) = Event::parse(&bytes) else { return Ok(()) };
            let mut writer = RecordWriter::new();
            let result = transcoder(&["id"]).transcode(&event, Demand::many(10), &mut writer);
            let records = writer.finish();
            prop_assert!(result.is_ok() || records.is_empty());
            for record in &records {
                let json: serde_json::Value = serde_json::from_slice(record.json()).unwrap();
                let part = |bytes: &bytes::Bytes| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
                prop_assert_eq!(&json["keys"], &part(record.keys()));
                prop_assert_eq!(json.get("newImage").cloned(), record.new_image().map(part));
                prop_assert_eq!(json.get("oldImage").cloned(), record.old_image().map(part));
            }
        }
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
        let mut writer = RecordWriter::new();
        let result = transcoder(&[]).transcode(&event, Demand::many(10), &mut writer);
        assert!(result.is_err() && writer.is_empty());
    }
}
