//! Writes at random to a collection, and says what an index of it has to hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use bson::oid::ObjectId;
use bson::{Bson, DateTime, Document, doc};
use conduit_sinks::meilisearch::{DocumentId, PRIMARY_KEY};
use fastrand::Rng;
use futures_util::TryStreamExt;
use mongodb::Collection;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How many write at the same time, each to documents of its own.
const WRITERS: usize = 4;

/// What names a document.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Keys {
    /// Its `_id`, of all kinds.
    Id,
    /// The fields `pk` and `sk`, which can change.
    Composite,
}

impl Keys {
    /// The keys of document `number`. Most of them cannot be ids in Meilisearch as they are.
    fn of(self, number: usize) -> Document {
        let whole = i64::try_from(number).unwrap();
        let text = |kind: &str| format!("{kind} {number}/ä_\"#");
        if self == Self::Composite {
            let sk = match number % 4 {
                0 => Bson::String(text("sort")),
                1 => Bson::Int64(whole),
                2 => Bson::DateTime(DateTime::from_millis(whole * 1001)),
                _ => Bson::String(format!("{}{number}", "long".repeat(150))),
            };
            return doc! { "pk": format!("tenant_{}:eu\\1", number % 3), "sk": sk };
        }
        let id = match number % 7 {
            0 => Bson::Int64(whole),
            1 => Bson::String(text("USER")),
            2 => Bson::String(number.to_string()),
            #[allow(clippy::cast_precision_loss)]
            3 => Bson::Double(number as f64 + 0.5),
            4 => Bson::Document(doc! { "b": whole, "a": ["x y", {"z": null}] }),
            5 => Bson::String(format!("{}{number}", "long".repeat(150))),
            _ => Bson::ObjectId(object_id(number as u64)),
        };
        doc! { "_id": id }
    }

    fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Id => &["_id"],
            Self::Composite => &["pk", "sk"],
        }
    }
}

/// One of several that write at the same time.
struct Writer {
    collection: Collection<Document>,
    keys: Keys,
    rng: Rng,
    /// Which of its documents there are; the first has the number `first`, the next `first + WRITERS` and so on.
    alive: Vec<bool>,
    first: usize,
}

/// Makes `writes` inserts, updates, replacements and deletes at random over `documents` documents; the same ones for the
/// same seed. Each takes a permit of `turn`. Of [`Keys::Composite`] keys change too.
pub(crate) async fn write_at_random(
    collection: Collection<Document>,
    keys: Keys,
    (documents, writes): (usize, usize),
    turn: Arc<Semaphore>,
    seed: u64,
) {
    let mut rng = Rng::with_seed(seed);
    let mut writers = JoinSet::new();
    for first in 0..WRITERS {
        let mut writer = Writer {
            collection: collection.clone(),
            keys,
            rng: rng.fork(),
            alive: vec![false; documents / WRITERS],
            first,
        };
        let turn = Arc::clone(&turn);
        writers.spawn(async move {
            for _ in 0..writes / WRITERS {
                turn.acquire().await.unwrap().forget();
                writer.write().await;
            }
        });
    }
    writers.join_all().await;
}

impl Writer {
    async fn write(&mut self) {
        let index = self.rng.usize(..self.alive.len());
        let named = self.keys_of(index);
        if !self.alive[index] {
            self.alive[index] = true;
            let document = self.document(named);
            self.collection.insert_one(document).await.unwrap();
            return;
        }
        let target = self.rng.usize(..self.alive.len());
        let changed = match self.rng.u8(..10) {
            0 | 1 => {
                self.alive[index] = false;
                let deleted = self.collection.delete_one(named).await.unwrap();
                deleted.deleted_count
            }
            2 | 3 if self.keys == Keys::Composite && !self.alive[target] => {
                self.alive[index] = false;
                self.alive[target] = true;
                let renamed = doc! { "$set": self.keys_of(target) };
                let updated = self.collection.update_one(named, renamed).await.unwrap();
                updated.matched_count
            }
            2..=4 => {
                let document = self.document(named.clone());
                let replaced = self.collection.replace_one(named, document).await.unwrap();
                replaced.matched_count
            }
            _ => {
                let update =
                    doc! { "$set": self.fields(), "$unset": { "fresh": "" }, "$inc": { "changes": 1_i64 } };
                let updated = self.collection.update_one(named, update).await.unwrap();
                updated.matched_count
            }
        };
        assert_eq!(changed, 1, "nobody else writes this document");
    }

    fn keys_of(&self, index: usize) -> Document {
        self.keys.of(self.first + index * WRITERS)
    }

    /// A document as it is inserted, or put in place of another; what an update unsets is there.
    fn document(&mut self, mut document: Document) -> Document {
        document.extend(self.fields());
        document.insert("fresh", value(&mut self.rng));
        document
    }

    /// Up to three fields of six.
    fn fields(&mut self) -> Document {
        let count = self.rng.u8(1..4);
        let named = (0..count).map(|_| (format!("field{}", self.rng.u8(..6)), value(&mut self.rng)));
        named.collect()
    }
}

fn value(rng: &mut Rng) -> Bson {
    match rng.u8(..11) {
        0 => Bson::Int32(rng.i32(..)),
        1 => Bson::Int64(rng.i64(..)),
        // Eighths, which every reader takes for the same number.
        2 => Bson::Double(f64::from(rng.i16(..)) / 8.0),
        3 => Bson::Double(f64::NAN),
        4 => Bson::String(format!("\"{}\" \\ \n ü€😀", "word ".repeat(rng.usize(..20)))),
        5 => Bson::Boolean(rng.bool()),
        6 => Bson::Null,
        7 => Bson::DateTime(DateTime::from_millis(rng.i64(0..4_000_000_000_000))),
        8 => Bson::ObjectId(object_id(rng.u64(..))),
        9 => Bson::Array(vec![value(rng), Bson::Int32(1)]),
        _ => Bson::Document(doc! { "z": value(rng), "a": { "_id": 7 } }),
    }
}

fn object_id(number: u64) -> ObjectId {
    let mut bytes = [0xc0; 12];
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    ObjectId::from_bytes(bytes)
}

/// What an index of the collection has to hold, by the documents' ids.
pub(crate) async fn expected(collection: &Collection<Document>, keys: Keys) -> BTreeMap<String, Value> {
    let all: Vec<Document> = collection
        .find(doc! {})
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    let documents = all.into_iter().map(|document| {
        let Value::Object(mut json) = json_of(&Bson::Document(document)) else {
            unreachable!()
        };
        let named: Map<String, Value> = keys
            .fields()
            .iter()
            .map(|name| ((*name).to_owned(), json[*name].clone()))
            .collect();
        let id = DocumentId::of(Value::Object(named).to_string().as_bytes()).unwrap();
        json.insert(PRIMARY_KEY.to_owned(), json!(id.as_str()));
        (id.as_str().to_owned(), Value::Object(json))
    });
    documents.collect()
}

/// The `json` form of an image, made without Conduit, of what is written here.
fn json_of(value: &Bson) -> Value {
    match value {
        Bson::Document(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), json_of(value)))
            .collect(),
        Bson::Array(values) => values.iter().map(json_of).collect(),
        Bson::Double(number) if number.is_nan() => json!("NaN"),
        Bson::Double(number) => json!(number),
        Bson::Int32(number) => json!(number),
        Bson::Int64(number) => json!(number),
        Bson::String(text) => json!(text),
        Bson::Boolean(is_true) => json!(is_true),
        Bson::Null => Value::Null,
        Bson::ObjectId(id) => json!(id.to_hex()),
        Bson::DateTime(date) => {
            let date = jiff::Timestamp::from_millisecond(date.timestamp_millis()).unwrap();
            json!(format!("{date:.3}"))
        }
        other => panic!("not written here: {other:?}"),
    }
}
