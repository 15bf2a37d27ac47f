//! A database of its own, and what tests do with it.

use std::sync::Arc;
use std::time::Duration;

use bson::{Document, doc};
use conduit_core::{
    BatchLimits, CollectionName, Images, Position, Record, RecordStream, WatchError, WatchTarget, Watcher,
};
use conduit_mongo::MongoWatcher;
use conduit_testkit::servers::{shared_mongodb_uri, unique_database_name};
use mongodb::{Client, Collection, Database};
use serde_json::Value;
use tokio::time::Instant;

/// No wait of a test takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const LIMITS: BatchLimits = BatchLimits {
    max_records: 1000,
    max_bytes: 1 << 20,
    max_wait: Duration::from_millis(100),
};

pub(crate) struct Scene {
    pub(crate) database: Database,
    pub(crate) watcher: MongoWatcher,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::at(shared_mongodb_uri().await).await
    }

    pub(crate) async fn at(uri: &str) -> Self {
        let client = Client::with_uri_str(uri).await.unwrap();
        let database = client.database(&unique_database_name());
        Self {
            watcher: MongoWatcher::new(database.clone()),
            database,
        }
    }

    pub(crate) fn collection(&self, name: &str) -> Collection<Document> {
        self.database.collection(name)
    }

    /// Creates a collection that stores pre- and post-images.
    pub(crate) async fn collection_with_images(&self, name: &str) -> Collection<Document> {
        let command = doc! { "create": name, "changeStreamPreAndPostImages": { "enabled": true } };
        self.database.run_command(command).await.unwrap();
        self.collection(name)
    }

    pub(crate) async fn now(&self) -> Position {
        // The changes of the very moment of `now` were before; those of the next are after.
        let time = self.watcher.now().await.unwrap();
        Position::at_time(conduit_core::ClusterTime::new(time.t, time.i + 1))
    }

    pub(crate) async fn open(&self, targets: &[WatchTarget], start: &Position) -> Reading {
        Reading {
            stream: self.watcher.open(targets, start).await.unwrap(),
            position: start.clone(),
        }
    }

    /// Opens, reads `count` records, and closes.
    pub(crate) async fn read(
        &self,
        target: &WatchTarget,
        start: &Position,
        count: usize,
    ) -> Vec<Arc<Record>> {
        self.open(std::slice::from_ref(target), start)
            .await
            .records(count)
            .await
    }

    pub(crate) async fn drop(self) {
        self.database.drop().await.unwrap();
    }
}

/// An open stream and the position of its last batch.
pub(crate) struct Reading {
    pub(crate) stream: Box<dyn RecordStream>,
    pub(crate) position: Position,
}

impl Reading {
    pub(crate) async fn batch(&mut self, limits: BatchLimits) -> Result<Vec<Arc<Record>>, WatchError> {
        let batch = self.stream.next_batch(limits).await?;
        assert!(batch.position >= self.position, "the position went back");
        self.position = batch.position;
        Ok(batch.records)
    }

    /// Reads until there are `count` records.
    pub(crate) async fn records(&mut self, count: usize) -> Vec<Arc<Record>> {
        let deadline = Instant::now() + PATIENCE;
        let mut records = Vec::new();
        while records.len() < count {
            assert!(
                Instant::now() < deadline,
                "only {} of {count} records came",
                records.len()
            );
            records.extend(self.batch(LIMITS).await.unwrap());
        }
        assert_eq!(records.len(), count, "too many records: {records:?}");
        records
    }

    /// Reads until the stream fails.
    pub(crate) async fn failure(&mut self) -> WatchError {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "the stream did not fail");
            if let Err(error) = self.batch(LIMITS).await {
                return error;
            }
        }
    }

    /// Reads batches, which bring no record, until the position is one that is asked for.
    pub(crate) async fn idle_until(&mut self, is_wanted: impl Fn(&Position) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_wanted(&self.position) {
            assert!(
                Instant::now() < deadline,
                "the position stays at {:?}",
                self.position
            );
            assert_eq!(self.batch(LIMITS).await.unwrap().len(), 0);
        }
    }
}

pub(crate) fn target(name: &str) -> WatchTarget {
    WatchTarget::new(CollectionName::new(name).unwrap())
}

pub(crate) fn with_both_images(name: &str) -> WatchTarget {
    WatchTarget {
        images: Images::NewAndOld,
        ..target(name)
    }
}

pub(crate) fn with_keys(name: &str, fields: &[&str]) -> WatchTarget {
    WatchTarget {
        key_fields: fields.iter().map(|&field| field.into()).collect(),
        ..target(name)
    }
}

pub(crate) fn json(record: &Record) -> Value {
    serde_json::from_slice(record.json()).unwrap()
}

/// The records' types, keys and images, as one line each.
pub(crate) fn lines(records: &[Arc<Record>]) -> Vec<String> {
    let line = |record: &Arc<Record>| {
        let text = |bytes: Option<&bytes::Bytes>| {
            bytes.map_or_else(
                || "-".to_owned(),
                |bytes| String::from_utf8(bytes.to_vec()).unwrap(),
            )
        };
        let new = text(record.new_image());
        let old = text(record.old_image());
        format!(
            "{} {} new {new} old {old}",
            record.record_type(),
            text(Some(record.keys()))
        )
    };
    records.iter().map(line).collect()
}
