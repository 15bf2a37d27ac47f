//! What operators want of single streams, and how far streams have come: kept beside the configuration.

use bson::{Document, Timestamp, doc};
use conduit_core::{ClusterTime, CollectionName, DestinationId, Rewind};
use mongodb::error::Error as MongoError;

use super::mark::Mark;
use super::store::{Catalog, CatalogError};
use super::{CATALOG_COLLECTION, Entry};

/// Most marks in one request.
const MAX_MARKS: usize = 1_000;

/// A mark to be written.
#[derive(Clone, Debug)]
pub(crate) struct MarkUpdate {
    pub(crate) collection: CollectionName,
    pub(crate) destination: DestinationId,
    /// The start of the stream that it is a mark of; one that was begun anew meanwhile is left alone.
    pub(crate) start: ClusterTime,
    pub(crate) mark: Mark,
}

impl Catalog {
    /// Pauses streams, or ends their pause, if the entry is still at the version of `old`.
    pub(crate) async fn set_paused(
        &self,
        old: &Entry,
        destinations: &[DestinationId],
        is_paused: bool,
    ) -> Result<(), CatalogError> {
        let (mut set, mut unset) = (Document::new(), Document::new());
        for id in destinations {
            if is_paused {
                set.insert(format!("paused.{id}"), true);
            } else {
                unset.insert(format!("paused.{id}"), "");
            }
        }
        self.steer(old, set, unset).await
    }

    /// Moves streams if the entry is still at the version of `old`; their marks move along.
    pub(crate) async fn rewind(
        &self,
        old: &Entry,
        rewinds: &[(DestinationId, Rewind)],
    ) -> Result<(), CatalogError> {
        let mut set = Document::new();
        for (id, Rewind { generation, to }) in rewinds {
            let number = i64::try_from(*generation).unwrap_or(i64::MAX);
            set.insert(
                format!("rewinds.{id}"),
                doc! { "generation": number, "to": timestamp(*to) },
            );
            let mark = Mark {
                generation: *generation,
                time: *to,
            };
            set.insert(format!("marks.{id}"), stored(mark));
        }
        self.steer(old, set, Document::new()).await
    }

    async fn steer(&self, old: &Entry, mut set: Document, unset: Document) -> Result<(), CatalogError> {
        set.insert("version", old.version + 1);
        let mut update = doc! { "$set": set };
        if !unset.is_empty() {
            update.insert("$unset", unset);
        }
        let filter = doc! { "_id": old.config.collection_name.as_str(), "version": old.version };
        match self.entries.update_one(filter, update).await?.matched_count {
            0 => Err(CatalogError::Changed),
            _ => Ok(()),
        }
    }

    /// Writes marks where they are ahead of the stored ones and the stream is still the same. No version changes.
    pub(crate) async fn write_marks(&self, marks: &[MarkUpdate]) -> Result<(), CatalogError> {
        for part in marks.chunks(MAX_MARKS) {
            let updates: Vec<Document> = part.iter().map(statement).collect();
            let command = doc! {
                "update": CATALOG_COLLECTION, "updates": updates, "ordered": false, "writeConcern": { "w": "majority" },
            };
            let reply = self.database.run_command(command).await?;
            if let Ok(errors) = reply.get_array("writeErrors") {
                let message = format!("{} of {} marks were not written", errors.len(), part.len());
                return Err(MongoError::custom(message).into());
            }
        }
        Ok(())
    }
}

fn statement(update: &MarkUpdate) -> Document {
    let MarkUpdate {
        collection,
        destination,
        start,
        mark,
    } = update;
    let mark = stored(*mark);
    let (t, i, generation) = (mark.get("t"), mark.get("i"), mark.get("generation"));
    let field = |name: &str| format!("marks.{destination}.{name}");
    let is_ahead = doc! { "$or": [
        { field("generation"): { "$exists": false } },
        { field("generation"): { "$lt": generation } },
        { field("generation"): generation, field("t"): { "$lt": t } },
        { field("generation"): generation, field("t"): t, field("i"): { "$lt": i } },
    ] };
    let stream = format!("streams.{destination}");
    doc! {
        "q": { "_id": collection.as_str(), stream: timestamp(*start), "$and": [is_ahead] },
        "u": { "$set": { format!("marks.{destination}"): mark.clone() } },
    }
}

fn stored(mark: Mark) -> Document {
    let Mark { generation, time } = mark;
    let generation = i64::try_from(generation).unwrap_or(i64::MAX);
    doc! { "t": i64::from(time.t), "i": i64::from(time.i), "generation": generation }
}

fn timestamp(time: ClusterTime) -> Timestamp {
    Timestamp {
        time: time.t,
        increment: time.i,
    }
}
