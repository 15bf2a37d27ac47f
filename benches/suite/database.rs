//! The MongoDB that is measured with.

use std::time::Duration;

use bson::{Document, doc, oid::ObjectId};
use mongodb::{Client, Database};

use crate::document::document;
use crate::{Failure, suite::required};

/// How many documents are written in one request.
const CHUNK: u64 = 1000;
/// What the kernel counts processor time in.
const TICKS_A_SECOND: f64 = 100.0;

/// A database of this run's own, on a server that it may use alone.
pub(crate) struct Mongo {
    uri: String,
    database: Database,
    pid: i32,
}

/// Changes that lie in the oplog.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) collection: String,
    /// A time before the first of them and after whatever came before.
    pub(crate) start: (u32, u32),
    pub(crate) changes: u64,
}

/// Whether a collection stores the images of its changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoresImages {
    Yes,
    No,
}

impl Mongo {
    pub(crate) async fn connect() -> Result<Self, Failure> {
        let uri = required("CONDUIT_BENCH_MONGODB_URI")?;
        let client = Client::with_uri_str(&uri).await?;
        let status = client
            .database("admin")
            .run_command(doc! { "serverStatus": 1 })
            .await?;
        let pid = status.get_i64("pid").map(i32::try_from)??;
        let database = client.database(&format!("conduit_bench_{}", std::process::id()));
        Ok(Self { uri, database, pid })
    }

    pub(crate) fn uri(&self) -> String {
        self.uri.clone()
    }

    pub(crate) fn name(&self) -> String {
        self.database.name().to_owned()
    }

    /// Inserts documents of 500 bytes into a new collection.
    pub(crate) async fn insert(&self, collection: &str, documents: u64) -> Result<Load, Failure> {
        self.database.create_collection(collection).await?;
        self.refill(collection, documents).await
    }

    /// Inserts further documents of 500 bytes.
    pub(crate) async fn refill(&self, collection: &str, documents: u64) -> Result<Load, Failure> {
        let start = self.now().await?;
        self.add(collection, documents).await?;
        Ok(Load {
            collection: collection.to_owned(),
            start,
            changes: documents,
        })
    }

    /// Fills a new collection and updates each of its documents once.
    pub(crate) async fn update(
        &self,
        collection: &str,
        documents: u64,
        stores_images: StoresImages,
    ) -> Result<Load, Failure> {
        let images = doc! { "enabled": stores_images == StoresImages::Yes };
        let command = doc! { "create": collection, "changeStreamPreAndPostImages": images };
        self.database.run_command(command).await?;
        self.add(collection, documents).await?;
        let start = self.now().await?;
        let change = doc! { "$inc": { "number": 1 } };
        self.database
            .collection::<Document>(collection)
            .update_many(doc! {}, change)
            .await?;
        Ok(Load {
            collection: collection.to_owned(),
            start,
            changes: documents,
        })
    }

    /// The same, of which nobody needs to know where they lie.
    pub(crate) async fn add(&self, collection: &str, documents: u64) -> Result<(), Failure> {
        let target = self.database.collection::<Document>(collection);
        let mut done = 0;
        while done < documents {
            let chunk = CHUNK.min(documents - done);
            target
                .insert_many((0..chunk).map(|_| document(ObjectId::new())))
                .ordered(false)
                .await?;
            done += chunk;
        }
        Ok(())
    }

    /// Makes empty collections.
    pub(crate) async fn create(&self, names: &[String]) -> Result<(), Failure> {
        for name in names {
            self.database.create_collection(name).await?;
        }
        Ok(())
    }

    /// How many change streams the server has open.
    pub(crate) async fn open_streams(&self) -> Result<u64, Failure> {
        let stages = [
            doc! { "$currentOp": { "allUsers": true, "idleCursors": true } },
            doc! { "$match": { "cursor.tailable": true, "cursor.awaitData": true, "ns": { "$not": { "$regex": "^local" } } } },
            doc! { "$count": "streams" },
        ];
        let admin = self.database.client().database("admin");
        let mut cursor = admin.aggregate(stages).await?;
        if !cursor.advance().await? {
            return Ok(0);
        }
        let count = cursor.deserialize_current()?.get_i32("streams")?;
        Ok(u64::try_from(count)?)
    }

    /// The processor time that the server has taken so far.
    pub(crate) fn cpu(&self) -> Result<Duration, Failure> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        // The program's name, in parentheses, can hold anything.
        let (_, rest) = stat.rsplit_once(')').ok_or("/proc tells nothing of mongod")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok());
        let (user, kernel) = ticks(11)
            .zip(ticks(12))
            .ok_or("/proc tells nothing of mongod's time")?;
        Ok(Duration::from_secs_f64((user + kernel) / TICKS_A_SECOND))
    }

    pub(crate) async fn drop(&self) -> Result<(), Failure> {
        Ok(self.database.drop().await?)
    }

    async fn now(&self) -> Result<(u32, u32), Failure> {
        let reply = self.database.run_command(doc! { "ping": 1 }).await?;
        let time = reply.get_timestamp("operationTime")?;
        Ok((time.time, time.increment + 1))
    }
}
