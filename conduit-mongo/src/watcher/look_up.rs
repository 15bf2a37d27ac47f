//! The task that looks documents up.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use conduit_core::WatchError;
use futures_util::{StreamExt, stream};
use mongodb::Database;
use tokio::sync::mpsc;

use super::error::{Phase, watch_error};
use super::find::{Allowance, Find, MAX_BYTES};
use super::found::FoundDocuments;
use super::missing_image::MissingImage;
use super::open_gauge::OpenGauge;
use super::portion::{LookedUpImages, Portion};
use super::shape::StreamShape;

/// At most so many documents are asked for together.
const MANY: usize = 1000;

/// So many collections are asked at a time.
const FINDS: usize = 4;

/// Gives the updates of a reply the documents as they are now.
///
/// Several updates of a document in a reply take one look-up, and documents of a collection one `find`. The server
/// would look each of them up by itself (`updateLookup`), which took three times the CPU on MongoDB 6.0.
///
/// The driver's futures live in this task, as they do in the [`Reader`](super::reader::Reader)'s: it ends by itself
/// between two of them. Meanwhile the reader asks for the next reply.
#[derive(Debug)]
pub(super) struct LookUp {
    database: Database,
    shape: StreamShape,
    replies: mpsc::Receiver<Result<Portion, WatchError>>,
    portions: mpsc::Sender<Result<Portion, WatchError>>,
    /// How many documents to ask for together: fewer where they are large.
    many: usize,
}

impl LookUp {
    pub(super) fn new(
        database: Database,
        shape: StreamShape,
        replies: mpsc::Receiver<Result<Portion, WatchError>>,
        portions: mpsc::Sender<Result<Portion, WatchError>>,
    ) -> Self {
        Self {
            database,
            shape,
            replies,
            portions,
            many: MANY,
        }
    }

    /// Works until the replies end, or until nobody wants them.
    pub(super) async fn run(mut self, _gauge: Arc<OpenGauge>) {
        loop {
            let next = tokio::select! {
                () = self.portions.closed() => return,
                next = self.replies.recv() => next,
            };
            let result = match next {
                Some(Ok(reply)) => self.look_up(reply).await,
                Some(Err(error)) => Err(error),
                None => return,
            };
            if let Err(error) = result {
                let _ = self.portions.send(Err(error)).await;
                return;
            }
        }
    }

    /// Hands a reply on with the images that it lacks, in as many portions as their size takes.
    async fn look_up(&mut self, portion: Portion) -> Result<(), WatchError> {
        let reply = &portion.reply;
        let missing = match reply.parts() {
            Ok(parts) if !reply.demand.lacks_images() => MissingImage::all_of(parts.events, &self.shape),
            _ => Vec::new(),
        };
        if missing.is_empty() {
            // Whether it is still wanted is asked before the next one.
            let _ = self.portions.send(Ok(portion)).await;
            return Ok(());
        }
        let mut start = 0;
        let mut rest = &missing[..];
        while !rest.is_empty() {
            // Nothing is looked up before there is room for it.
            let Ok(room) = self.portions.reserve().await else {
                return Ok(());
            };
            let some = &rest[..of_documents(rest, self.many)];
            let looked_up = find_documents(&self.database, some).await?;
            self.many = looked_up.next_count(self.many);
            let (known, images) = looked_up.into_images(some);
            rest = &rest[known..];
            if known > 0 {
                let end = rest.first().map_or(usize::MAX, |next| next.offset);
                room.send(Ok(Portion {
                    reply: Arc::clone(reply),
                    events: start..end,
                    images,
                }));
                start = end;
            }
        }
        Ok(())
    }
}

/// What was found of some updates' documents.
struct LookedUp<'a> {
    found: FoundDocuments,
    /// The numbers that collections have among what was found.
    numbers: HashMap<&'a [u8], usize>,
    bytes: usize,
    /// Whether what was not found is not there.
    is_complete: bool,
}

impl LookedUp<'_> {
    /// How many documents to ask for next, after so many.
    fn next_count(&self, many: usize) -> usize {
        if !self.is_complete {
            (self.found.len() / 2).max(1)
        } else if self.bytes < MAX_BYTES / 4 {
            (many * 2).min(MANY)
        } else {
            many
        }
    }

    /// The images of the updates, up to the first of which it is not known whether there is one.
    fn into_images(self, updates: &[MissingImage<'_>]) -> (usize, LookedUpImages) {
        let mut places = Vec::with_capacity(updates.len());
        let mut known = 0;
        for update in updates {
            let number = self.numbers.get(update.collection);
            match number.and_then(|number| self.found.image_of(*number, update)) {
                Some(place) => places.push((update.offset, place)),
                None if self.is_complete => {}
                None => break,
            }
            known += 1;
        }
        (known, LookedUpImages::new(self.found.into_batches(), places))
    }
}

/// How many of the updates are of no more than so many documents.
fn of_documents(updates: &[MissingImage<'_>], many: usize) -> usize {
    let mut documents = HashSet::new();
    for (index, update) in updates.iter().enumerate() {
        documents.insert((update.collection, update.id));
        if documents.len() > many {
            return index;
        }
    }
    updates.len()
}

/// Finds the documents of all the updates, or as many as are allowed at a time.
async fn find_documents<'a>(
    database: &Database,
    updates: &[MissingImage<'a>],
) -> Result<LookedUp<'a>, WatchError> {
    let mut numbers = HashMap::new();
    let mut finds: Vec<Find> = Vec::new();
    let mut documents = HashSet::new();
    for update in updates {
        let number = *numbers.entry(update.collection).or_insert_with(|| {
            finds.push(Find::new(String::from_utf8_lossy(update.collection).into_owned()));
            finds.len() - 1
        });
        if documents.insert((number, update.id)) {
            finds[number].add(update.document_key);
        }
    }
    // The changes of a reply come in the order of their times.
    let time = updates.last().map(|update| update.time).unwrap_or_default();
    let allowance = Allowance::default();
    let running = finds
        .into_iter()
        .enumerate()
        .map(async |(number, find)| (number, find.run(database, time, &allowance).await));
    // All of them, since none may be dropped midway.
    let results: Vec<_> = stream::iter(running).buffer_unordered(FINDS).collect().await;
    let mut found = FoundDocuments::default();
    let mut is_complete = true;
    for (number, findings) in results {
        let findings = findings.map_err(|error| watch_error(&error, Phase::LookingUp))?;
        is_complete &= findings.is_all;
        for batch in findings.batches {
            found.add(number, batch).map_err(|error| {
                WatchError::invalid("what mongodb answers to a look-up cannot be decoded").with_source(error)
            })?;
        }
    }
    found.sort();
    Ok(LookedUp {
        found,
        numbers,
        bytes: allowance.spent(),
        is_complete,
    })
}

#[cfg(test)]
mod tests {
    use conduit_core::{ClusterTime, RecordKey};

    use super::*;

    fn update(collection: &'static str, id: u128) -> MissingImage<'static> {
        MissingImage {
            offset: 0,
            collection: collection.as_bytes(),
            time: ClusterTime::new(7, 3),
            document_key: b"",
            id: RecordKey::from_u128(id),
        }
    }

    #[test]
    fn several_updates_of_a_document_count_once() {
        let updates = [("a", 1), ("a", 2), ("a", 1), ("b", 1), ("a", 2), ("a", 3)];
        let updates = updates.map(|(collection, id)| update(collection, id));
        let counts = [1, 2, 3, 4].map(|many| of_documents(&updates, many));
        assert_eq!(counts, [1, 3, 5, 6]);
    }

    #[test]
    fn large_documents_are_asked_for_in_smaller_numbers() {
        let next_count = |is_complete, bytes, many| {
            let looked_up = LookedUp {
                found: FoundDocuments::default(),
                numbers: HashMap::new(),
                bytes,
                is_complete,
            };
            looked_up.next_count(many)
        };
        assert_eq!(next_count(false, MAX_BYTES, 1000), 1);
        assert_eq!(next_count(true, MAX_BYTES / 2, 10), 10);
        assert_eq!(next_count(true, 0, 10), 20);
        assert_eq!(next_count(true, 0, 900), MANY);
    }
}
