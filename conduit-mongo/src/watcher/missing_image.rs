//! The updates of a reply whose documents have to be looked up.

use conduit_core::{ClusterTime, RecordKey};

use super::event::{Event, Operation};
use super::shape::StreamShape;
use crate::document::{DecodeError, Element, Elements, find, hash_values, kind};

/// An update without its document.
#[derive(Clone, Copy, Debug)]
pub(super) struct MissingImage<'a> {
    /// Where its event begins among those of the reply.
    pub(super) offset: usize,
    pub(super) collection: &'a [u8],
    pub(super) time: ClusterTime,
    /// The `_id`, and on a sharded cluster the fields of the shard key.
    pub(super) document_key: &'a [u8],
    /// Of the `_id`.
    pub(super) id: RecordKey,
}

impl<'a> MissingImage<'a> {
    /// Finds all of the reply's events. What cannot be decoded is left to whoever makes records of it.
    pub(super) fn all_of(events: &'a [u8], shape: &StreamShape) -> Vec<Self> {
        let mut missing = Vec::new();
        let mut scratch = Vec::new();
        let Ok(mut elements) = Elements::new(events) else {
            return missing;
        };
        loop {
            let offset = elements.offset();
            let Some(Ok(element)) = elements.next() else {
                return missing;
            };
            let found = Self::of(offset, element.value, shape, &mut scratch);
            missing.extend(found.ok().flatten());
        }
    }

    fn of(
        offset: usize,
        event: &'a [u8],
        shape: &StreamShape,
        scratch: &mut Vec<u8>,
    ) -> Result<Option<Self>, DecodeError> {
        if !is_update(event)? {
            return Ok(None);
        }
        let event = Event::parse(event)?;
        let (Operation::Update, None, Some(document_key)) =
            (event.operation, event.new_image, event.document_key)
        else {
            return Ok(None);
        };
        if !shape.wants(event.collection) {
            return Ok(None);
        }
        Ok(Some(Self {
            offset,
            collection: event.collection,
            time: event.time,
            document_key,
            id: id_of(document_key, scratch)?,
        }))
    }

    /// Whether it is this document that was updated. Two shards can have documents of one `_id`.
    pub(super) fn is_of(&self, document: &[u8]) -> bool {
        let mut scratch = Vec::new();
        let mut is_same = |field: Element<'_>| {
            let wanted = hash_values([Some(field)].into_iter(), &mut scratch)?;
            let found = value_at(document, field.name)?;
            Ok::<_, DecodeError>(wanted == hash_values([found].into_iter(), &mut scratch)?)
        };
        Elements::new(self.document_key).is_ok_and(|mut fields| {
            fields
                .all(|field| field.and_then(|field| Ok(field.name == b"_id" || is_same(field)?)) == Ok(true))
        })
    }
}

/// The hash of a document's, or a document key's, `_id`: one for all values that MongoDB takes for one.
pub(super) fn id_of(document: &[u8], scratch: &mut Vec<u8>) -> Result<RecordKey, DecodeError> {
    const MISSING: DecodeError = DecodeError::new("a document has no _id");
    let id = match Elements::new(document)?.next() {
        // Where the server puts it.
        Some(Ok(first)) if first.name == b"_id" => first,
        _ => find(document, b"_id")?.ok_or(MISSING)?,
    };
    hash_values([Some(id)].into_iter(), scratch)
}

/// Whether an event tells of an update, which stands at its beginning.
fn is_update(event: &[u8]) -> Result<bool, DecodeError> {
    for element in Elements::new(event)? {
        let element = element?;
        if element.name == b"operationType" {
            return Ok(element.kind == kind::STRING && element.text()? == b"update");
        }
    }
    Ok(false)
}

/// The value of a field of a shard key, whose name can be a path.
fn value_at<'a>(document: &'a [u8], path: &[u8]) -> Result<Option<Element<'a>>, DecodeError> {
    let mut parts = path.split(|byte| *byte == b'.');
    let mut value = find(document, parts.next().unwrap_or_default())?;
    for part in parts {
        value = match value.and_then(|value| value.nested()) {
            Some(nested) => find(nested, part)?,
            None => None,
        };
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use bson::{RawDocumentBuf, Timestamp, rawdoc};
    use conduit_core::{CollectionName, WatchTarget};

    use super::*;

    fn event(operation: &str, collection: &str, key: RawDocumentBuf) -> RawDocumentBuf {
        rawdoc! {
            "_id": { "_data": "82AB" },
            "operationType": operation,
            "clusterTime": Timestamp { time: 7, increment: 3 },
            "ns": { "db": "shop", "coll": collection },
            "documentKey": key,
        }
    }

    fn shape() -> StreamShape {
        StreamShape::of(&[WatchTarget::new(CollectionName::new("users").unwrap())]).unwrap()
    }

    #[test]
    fn only_updates_of_wanted_collections_lack_their_image() {
        let mut with_image = event("update", "users", rawdoc! { "_id": 1 });
        with_image.append(bson::raw::cstr!("fullDocument"), rawdoc! { "_id": 1 });
        let events = rawdoc! {
            "0": event("insert", "users", rawdoc! { "_id": 1 }),
            "1": event("update", "users", rawdoc! { "_id": 2 }),
            "2": event("update", "others", rawdoc! { "_id": 3 }),
            "3": { "operationType": "update" },
            "4": with_image,
            "5": event("update", "users", rawdoc! { "_id": 2.0 }),
        };
        let missing = MissingImage::all_of(events.as_bytes(), &shape());
        assert_eq!(missing.len(), 2);
        assert_eq!(missing[0].time, ClusterTime::new(7, 3));
        assert_eq!(missing[0].collection, b"users");
        assert_eq!(missing[0].id, missing[1].id);
        let mut rest = Elements::resume(events.as_bytes(), missing[0].offset).unwrap();
        assert_eq!(rest.next().unwrap().unwrap().name, b"1");
    }

    #[test]
    fn of_documents_of_one_id_the_shard_key_tells() {
        let key = rawdoc! { "region": 1, "place.city": "Köln", "_id": 2 };
        let events = rawdoc! { "0": event("update", "users", key) };
        let missing = MissingImage::all_of(events.as_bytes(), &shape());
        let is_of = |document: RawDocumentBuf| missing[0].is_of(document.as_bytes());
        assert!(is_of(
            rawdoc! { "_id": 2, "region": 1_i64, "place": { "city": "Köln" } }
        ));
        assert!(!is_of(
            rawdoc! { "_id": 2, "region": 2, "place": { "city": "Köln" } }
        ));
        assert!(!is_of(rawdoc! { "_id": 2, "region": 1, "place": "Köln" }));
        assert!(!is_of(rawdoc! { "_id": 2 }));
    }
}
