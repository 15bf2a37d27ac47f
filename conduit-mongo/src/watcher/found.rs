//! Documents that were looked up.

use conduit_core::RecordKey;
use mongodb::raw_batch_cursor::RawBatch;

use super::missing_image::{MissingImage, id_of};
use super::portion::ImagePlace;
use crate::document::{DecodeError, Elements, find};

/// Documents of several collections, by their `_id`s.
#[derive(Debug, Default)]
pub(super) struct FoundDocuments {
    batches: Vec<RawBatch>,
    /// Sorted by collection and `_id`, in which two shards can have more than one document.
    documents: Vec<(usize, RecordKey, ImagePlace)>,
}

impl FoundDocuments {
    /// Gives the replies that the places are of.
    pub(super) fn into_batches(self) -> Vec<RawBatch> {
        self.batches
    }

    /// Adds the documents of a reply to a find on a collection, the one of that number.
    pub(super) fn add(&mut self, collection: usize, batch: RawBatch) -> Result<(), DecodeError> {
        let mut scratch = Vec::new();
        let reply = batch.as_raw_document().as_bytes();
        for document in Elements::new(documents_of(reply)?)? {
            let document = document?.value;
            let start = document.as_ptr().addr() - reply.as_ptr().addr();
            let place = ImagePlace {
                batch: self.batches.len(),
                bytes: start..start + document.len(),
            };
            // What has no `_id` is the document of no update.
            if let Ok(id) = id_of(document, &mut scratch) {
                self.documents.push((collection, id, place));
            }
        }
        self.batches.push(batch);
        Ok(())
    }

    /// To be called once all are added.
    pub(super) fn sort(&mut self) {
        self.documents.sort_unstable_by_key(|(collection, id, place)| {
            (*collection, *id, place.batch, place.bytes.start)
        });
    }

    pub(super) fn len(&self) -> usize {
        self.documents.len()
    }

    /// The document of an update in the collection of that number.
    pub(super) fn image_of(&self, collection: usize, update: &MissingImage<'_>) -> Option<ImagePlace> {
        let wanted = (collection, update.id);
        let first = self
            .documents
            .partition_point(|(collection, id, _)| (*collection, *id) < wanted);
        self.documents[first..]
            .iter()
            .take_while(|(collection, id, _)| (*collection, *id) == wanted)
            .map(|(_, _, place)| place)
            .find(|place| update.is_of(self.bytes(place)))
            .cloned()
    }

    fn bytes(&self, place: &ImagePlace) -> &[u8] {
        &self.batches[place.batch].as_raw_document().as_bytes()[place.bytes.clone()]
    }
}

fn documents_of(reply: &[u8]) -> Result<&[u8], DecodeError> {
    const MISSING: DecodeError = DecodeError::new("the reply holds no batch");
    let cursor = find(reply, b"cursor")?.and_then(|cursor| cursor.nested());
    let cursor = cursor.ok_or(MISSING)?;
    let batch = match find(cursor, b"firstBatch")? {
        Some(batch) => Some(batch),
        None => find(cursor, b"nextBatch")?,
    };
    batch.and_then(|batch| batch.nested()).ok_or(MISSING)
}
