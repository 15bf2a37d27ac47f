//! What a stream decodes at a time: a reply, or a part of one.

use std::ops::Range;
use std::sync::Arc;

use mongodb::raw_batch_cursor::RawBatch;

use super::reply::Reply;

/// Events of a reply, with the images that were looked up for them.
#[derive(Debug)]
pub(super) struct Portion {
    pub(super) reply: Arc<Reply>,
    /// Where its events lie among those of the reply.
    pub(super) events: Range<usize>,
    pub(super) images: LookedUpImages,
}

/// Images where they lie in the replies that brought them.
#[derive(Debug, Default)]
pub(super) struct LookedUpImages {
    batches: Vec<RawBatch>,
    /// By the offsets of their events, in ascending order.
    places: Vec<(usize, ImagePlace)>,
}

/// Which reply, and where in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ImagePlace {
    pub(super) batch: usize,
    pub(super) bytes: Range<usize>,
}

impl Portion {
    /// A reply for which nothing was looked up.
    pub(super) fn whole(reply: Reply) -> Self {
        Self {
            reply: Arc::new(reply),
            events: 0..usize::MAX,
            images: LookedUpImages::default(),
        }
    }

    /// Whether what comes after it comes with another reply.
    pub(super) fn is_last(&self) -> bool {
        self.events.end == usize::MAX
    }
}

impl LookedUpImages {
    /// Takes the places by the offsets of their events, in ascending order.
    pub(super) fn new(batches: Vec<RawBatch>, places: Vec<(usize, ImagePlace)>) -> Self {
        Self { batches, places }
    }

    /// The image that was looked up for the event at `offset`.
    pub(super) fn of_event(&self, offset: usize) -> Option<&[u8]> {
        let index = self
            .places
            .binary_search_by_key(&offset, |(event, _)| *event)
            .ok()?;
        let (_, place) = self.places.get(index)?;
        let batch = self.batches.get(place.batch)?;
        batch.as_raw_document().as_bytes().get(place.bytes.clone())
    }
}
