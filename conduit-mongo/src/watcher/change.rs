//! One record to be made of an event.

use std::sync::Arc;

use bytes::Bytes;
use conduit_core::{
    EventId, ImageFormat, PlainImages, RecordContents, RecordHead, RecordKey, RecordType, RecordWriter,
    Sequence, WatchTarget,
};

use super::event::Event;
use crate::document::{
    DecodeError, Element, find, hash_values, push_hex_text, write_fields, write_json_bytes,
};

/// A collection whose changes make records.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) watched: WatchTarget,
    /// What the ids of its records are made of, before their places.
    id_prefix: Vec<u8>,
}

/// One record to be made of an event.
#[derive(Debug)]
pub(super) struct Change<'a> {
    pub(super) record_type: RecordType,
    pub(super) sequence: Sequence,
    /// The image that the key schema's fields are taken from.
    pub(super) keys_of: Option<&'a [u8]>,
    pub(super) new_image: Option<&'a [u8]>,
    pub(super) old_image: Option<&'a [u8]>,
    /// Why the images cannot be had, if so.
    pub(super) fault: Option<&'a str>,
}

/// Buffers that are kept from record to record.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    bytes: Vec<u8>,
    text: String,
}

/// A field of the key, and its value if it is there.
type KeyField<'a> = (&'a [u8], Option<Element<'a>>);

/// What of a change is written.
struct Contents<'a> {
    target: &'a WatchTarget,
    keys: &'a [KeyField<'a>],
    new_image: Option<&'a [u8]>,
    old_image: Option<&'a [u8]>,
}

impl Target {
    pub(super) fn new(database: &str, watched: WatchTarget) -> Self {
        let id_prefix = [database, "\0", watched.collection.as_str(), "\0"].concat();
        Self {
            id_prefix: id_prefix.into_bytes(),
            watched,
        }
    }

    /// The same for the same change, from whatever stream it is read: tokens are.
    fn event_id(&self, sequence: &Sequence, scratch: &mut Scratch) -> EventId {
        let Scratch { bytes, text } = scratch;
        bytes.clear();
        bytes.extend_from_slice(&self.id_prefix);
        bytes.extend_from_slice(sequence.as_str().as_bytes());
        bytes.push(0);
        text.clear();
        push_hex_text(text, &RecordKey::of(bytes).to_u128().to_be_bytes());
        EventId::new(text.as_str())
    }
}

impl Change<'_> {
    /// Writes the record and returns its size.
    pub(super) fn write(
        self,
        target: &Target,
        event: &Event<'_>,
        scratch: &mut Scratch,
        writer: &mut RecordWriter,
    ) -> Result<usize, DecodeError> {
        let (id, fields);
        let keys = match self.keys_of {
            Some(image) if !target.watched.key_fields.is_empty() => {
                fields = key_fields(&target.watched, image)?;
                &fields[..]
            }
            _ => {
                id = [id_field(event)?];
                &id[..]
            }
        };
        let head = RecordHead {
            event_id: target.event_id(&self.sequence, scratch),
            collection: target.watched.collection.clone(),
            record_type: self.record_type,
            key: hash(keys, &mut scratch.bytes)?,
            timestamp: event.timestamp(),
            time: event.time,
            sequence: self.sequence,
            fault: self.fault.map(Arc::from),
        };
        let shown = |image: Option<_>| image.filter(|_| self.fault.is_none());
        let contents = Contents {
            target: &target.watched,
            keys,
            new_image: shown(self.new_image),
            old_image: shown(self.old_image),
        };
        writer.write(head, &contents)
    }
}

impl Contents<'_> {
    fn write(&self, image: Option<&[u8]>, out: &mut Vec<u8>) -> Result<bool, DecodeError> {
        match image {
            Some(document) => write_json_bytes(document, self.target.image_format, out).map(|()| true),
            None => Ok(false),
        }
    }
}

impl RecordContents for Contents<'_> {
    type Error = DecodeError;

    fn size_hint(&self) -> usize {
        const KEYS: usize = 64;
        let images = [self.new_image, self.old_image];
        let images: usize = images.iter().flatten().map(|image| image.len()).sum();
        match self.target.image_format {
            ImageFormat::Json => KEYS + images + images / 4,
            ImageFormat::Extjson => KEYS + 2 * images,
        }
    }

    fn write_keys(&self, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        write_fields(self.keys.iter().copied(), out)
    }

    fn write_new_image(&self, out: &mut Vec<u8>) -> Result<bool, DecodeError> {
        self.write(self.new_image, out)
    }

    fn write_old_image(&self, out: &mut Vec<u8>) -> Result<bool, DecodeError> {
        self.write(self.old_image, out)
    }

    fn plain_images(&self) -> Result<Option<PlainImages>, DecodeError> {
        if !self.target.plain_images || self.target.image_format == ImageFormat::Json {
            return Ok(None);
        }
        Ok(Some(PlainImages {
            new: plain(self.new_image)?,
            old: plain(self.old_image)?,
        }))
    }
}

/// Whether the values of the key schema's fields differ between the images.
pub(super) fn is_key_changed(
    target: &WatchTarget,
    old: &[u8],
    new: &[u8],
    scratch: &mut Scratch,
) -> Result<bool, DecodeError> {
    if target.key_fields.is_empty() {
        return Ok(false);
    }
    let before = hash(&key_fields(target, old)?, &mut scratch.bytes)?;
    Ok(before != hash(&key_fields(target, new)?, &mut scratch.bytes)?)
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

fn plain(document: Option<&[u8]>) -> Result<Option<Bytes>, DecodeError> {
    let Some(document) = document else { return Ok(None) };
    let mut written = Vec::with_capacity(document.len());
    write_json_bytes(document, ImageFormat::Json, &mut written)?;
    Ok(Some(Bytes::from(written)))
}

#[cfg(test)]
mod tests {
    use conduit_core::CollectionName;

    use super::*;

    #[test]
    fn the_id_of_a_record_never_changes_between_versions() {
        let watched = WatchTarget::new(CollectionName::new("users").unwrap());
        let target = Target::new("shop", watched);
        let id = target.event_id(&Sequence::whole("82AB"), &mut Scratch::default());
        assert_eq!(id.as_str(), "4167778e6c3eb5acdcc8e5698ea57cd7");
    }
}
