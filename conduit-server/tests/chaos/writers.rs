//! Writes at random, and knows what it wrote.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bson::{Document, doc};
use fastrand::Rng;
use mongodb::Collection;
use mongodb::error::Error;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::changes::Changes;

const KEYS: i64 = 25;
/// The mean pause between two writes.
const PAUSE: Duration = Duration::from_millis(50);
/// How long one write may be repeated.
const PATIENCE: Duration = Duration::from_secs(120);

/// What orders the records of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyedBy {
    /// The document's `_id`.
    DocumentId,
    /// Its field `id`, which a document can give up for another.
    KeySchema,
}

/// Inserts, updates and deletes documents of its own keys.
///
/// Every write is majority-acknowledged and repeated until the server answers, and doing it twice changes nothing: so
/// each change is there once, and its account is exact.
pub(crate) struct Writer {
    collection: Collection<Document>,
    keyed_by: KeyedBy,
    rng: Rng,
    keys: Vec<i64>,
    /// The `_id` of each living document by its key.
    living: HashMap<i64, String>,
    last_value: i64,
    changes: Changes,
}

impl Writer {
    pub(crate) fn new(collection: Collection<Document>, keyed_by: KeyedBy, number: i64, seed: u64) -> Self {
        Self {
            collection,
            keyed_by,
            rng: Rng::with_seed(seed),
            keys: (number * KEYS..(number + 1) * KEYS).collect(),
            living: HashMap::new(),
            last_value: 0,
            changes: Changes::default(),
        }
    }

    /// Writes until told to stop; returns what it changed.
    pub(crate) async fn run(mut self, stop: Arc<AtomicBool>) -> Changes {
        while !stop.load(Ordering::Relaxed) {
            self.write().await;
            sleep(PAUSE.mul_f64(2.0 * self.rng.f64())).await;
        }
        self.changes
    }

    async fn write(&mut self) {
        let key = self.keys[self.rng.usize(0..self.keys.len())];
        self.last_value += 1;
        let Some(id) = self.living.get(&key).cloned() else {
            return self.insert(key).await;
        };
        match self.rng.u8(0..10) {
            0 | 1 => self.delete(key, &id).await,
            2 if self.keyed_by == KeyedBy::KeySchema => self.give_other_key(key, &id).await,
            _ => self.update(key, &id).await,
        }
    }

    async fn insert(&mut self, key: i64) {
        let value = self.last_value;
        // With a key schema each document of a key is another one.
        let id = match self.keyed_by {
            KeyedBy::DocumentId => key.to_string(),
            KeyedBy::KeySchema => format!("{key}.{value}"),
        };
        let fresh = doc! {"$setOnInsert": {"id": key, "value": value}};
        self.until_written(&id, Some(fresh)).await;
        self.living.insert(key, id);
        self.note(key, "INSERT", Some(value));
    }

    async fn update(&mut self, key: i64, id: &str) {
        let value = self.last_value;
        self.until_written(id, Some(doc! {"$set": {"value": value}}))
            .await;
        self.note(key, "MODIFY", Some(value));
    }

    async fn delete(&mut self, key: i64, id: &str) {
        self.until_written(id, None).await;
        self.living.remove(&key);
        self.note(key, "REMOVE", None);
    }

    /// Moves a document to a key that has none: a removal of the one, an insertion of the other.
    async fn give_other_key(&mut self, key: i64, id: &str) {
        let is_free = |other: &i64| !self.living.contains_key(other);
        let Some(other) = self.keys.iter().copied().find(is_free) else {
            return self.update(key, id).await;
        };
        let value = self.last_value;
        self.until_written(id, Some(doc! {"$set": {"id": other, "value": value}}))
            .await;
        self.living.remove(&key);
        self.living.insert(other, id.to_owned());
        self.note(key, "REMOVE", None);
        self.note(other, "INSERT", Some(value));
    }

    fn note(&mut self, key: i64, kind: &'static str, value: Option<i64>) {
        let keys = match self.keyed_by {
            KeyedBy::DocumentId => json!({"_id": key.to_string()}),
            KeyedBy::KeySchema => json!({"id": key}),
        };
        self.changes.add(keys.to_string(), kind, value);
    }

    /// Repeats a write of one document, a deletion without `update`, until the server has answered.
    async fn until_written(&self, id: &str, update: Option<Document>) {
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = self.attempt(id, update.clone()).await {
            assert!(Instant::now() < deadline, "not written: {error}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn attempt(&self, id: &str, update: Option<Document>) -> Result<(), Error> {
        let document = doc! {"_id": id};
        let Some(update) = update else {
            return self.collection.delete_one(document).await.map(|_| ());
        };
        let is_insertion = update.contains_key("$setOnInsert");
        let written = self.collection.update_one(document, update).upsert(is_insertion);
        let found = written.await?.matched_count == 1;
        assert!(found || is_insertion, "the database has lost document {id}");
        Ok(())
    }
}
