//! Makes records of events.

use std::collections::HashMap;
use std::sync::Arc;

use conduit_core::{
    EventId, ImageFormat, Images, KeyHasher, Record, RecordKey, RecordParts, RecordType, Sequence,
    WatchTarget,
};

use super::event::{Event, Operation};
use crate::document::{DecodeError, Element, find, hash_values, write_fields, write_json_bytes};

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

    /// Appends the records of an event: none, one, or two where the key's fields changed.
    pub(super) fn transcode(
        &mut self,
        event: &Event<'_>,
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
                    };
                    let insert = Change {
                        record_type: RecordType::Insert,
                        sequence: second,
                        keys_of: Some(new),
                        new_image: Some(new),
                        old_image: None,
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
        let new_image = image(self.new_image, target.image_format, &mut buffers.new_image)?;
        let old_image = image(self.old_image, target.image_format, &mut buffers.old_image)?;
        Ok(Arc::new(Record::new(RecordParts {
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
        })))
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
