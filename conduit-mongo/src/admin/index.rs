//! The indexes that a collection is to have. Only those named `conduit_*` are ever changed or dropped.

use bson::{Bson, Document, doc};
use conduit_core::CollectionName;
use mongodb::Database;

use super::error::AdminError;
use super::layout::CollectionLayout;

/// The unique index over the key schema's fields.
pub(super) const KEY_INDEX: &str = "conduit_key";
/// The index that lets documents expire.
pub(super) const TTL_INDEX: &str = "conduit_ttl";

/// An index as it is, or as it is to be.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Index {
    name: String,
    fields: Vec<String>,
    is_unique: bool,
    expire_after_seconds: Option<i64>,
    /// Partial or sparse, or of another order or kind: then it is no substitute.
    is_special: bool,
    /// All that MongoDB tells of it, or is told to make it.
    document: Document,
}

impl Index {
    /// Reads what `listIndexes` tells of an index.
    pub(super) fn of(document: &Document) -> Option<Self> {
        let keys = document.get_document("key").ok()?;
        let name = document.get_str("name").ok()?;
        let is_ascending = |(_, order): (&String, &Bson)| number(order) == Some(1);
        let special = ["partialFilterExpression", "sparse", "collation"];
        let mut whole = document.clone();
        // Older versions tell it, and newer ones do not take it back.
        whole.remove("ns");
        Some(Self {
            name: name.to_owned(),
            fields: keys.keys().cloned().collect(),
            // Of the one that every collection has it is not told.
            is_unique: name == "_id_" || document.get_bool("unique").unwrap_or(false),
            expire_after_seconds: document.get("expireAfterSeconds").and_then(number),
            is_special: !keys.iter().all(is_ascending)
                || special.iter().any(|option| document.contains_key(option)),
            document: whole,
        })
    }

    /// The index that the key schema needs.
    pub(super) fn key(layout: &CollectionLayout) -> Option<Self> {
        let document = doc! { "name": KEY_INDEX, "key": ascending(&layout.key_fields), "unique": true };
        (!layout.key_fields.is_empty()).then(|| Self::of(&document))?
    }

    /// The index that the expiry needs.
    pub(super) fn ttl(layout: &CollectionLayout) -> Option<Self> {
        let keys = ascending(layout.ttl_attribute.as_slice());
        let document = doc! { "name": TTL_INDEX, "key": keys, "expireAfterSeconds": 0 };
        layout.ttl_attribute.as_ref().and_then(|_| Self::of(&document))
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn fields(&self) -> &[String] {
        &self.fields
    }

    /// All that is needed to make it.
    pub(super) fn document(&self) -> &Document {
        &self.document
    }

    /// Whether it is Conduit's, to be changed and dropped.
    pub(super) fn is_own(&self) -> bool {
        [KEY_INDEX, TTL_INDEX].contains(&self.name())
    }

    /// Whether this is `wanted`, under its name.
    pub(super) fn is_as(&self, wanted: &Self) -> bool {
        self.name == wanted.name && self.is_unique == wanted.is_unique && self.serves_as(wanted)
    }

    /// Whether this index, under whatever name, does all that `wanted` is to do.
    pub(super) fn serves_as(&self, wanted: &Self) -> bool {
        !self.is_special
            && self.fields == wanted.fields
            && self.is_unique >= wanted.is_unique
            && self.expire_after_seconds == wanted.expire_after_seconds
    }

    /// Whether no version of MongoDB lets `wanted` be made beside this one, which does not serve as it.
    ///
    /// Some versions also refuse others, say a unique one beside one that is not; that is left to them.
    pub(super) fn rules_out(&self, wanted: &Self) -> bool {
        !self.is_special && self.fields == wanted.fields && self.is_unique == wanted.is_unique
    }
}

/// Lists the indexes of a collection.
pub(super) async fn list(database: &Database, name: &CollectionName) -> Result<Vec<Index>, AdminError> {
    // No collection may have more than 64 indexes, so they come with the first reply.
    let command = doc! { "listIndexes": name.as_str(), "cursor": { "batchSize": 100 } };
    let reply = database
        .run_command(command)
        .await
        .map_err(|error| AdminError::of(&error, &format!("list the indexes of {name}")))?;
    let batch = reply
        .get_document("cursor")
        .and_then(|cursor| cursor.get_array("firstBatch"));
    let documents = batch.map(Vec::as_slice).unwrap_or_default();
    Ok(documents
        .iter()
        .filter_map(|index| Index::of(index.as_document()?))
        .collect())
}

fn ascending(fields: &[String]) -> Document {
    fields
        .iter()
        .map(|field| (field.clone(), Bson::Int32(1)))
        .collect()
}

fn number(value: &Bson) -> Option<i64> {
    match value {
        Bson::Int32(number) => Some(i64::from(*number)),
        Bson::Int64(number) => Some(*number),
        // Only whole numbers compare equal to what is wanted.
        Bson::Double(number) if *number == 0.0 => Some(0),
        Bson::Double(number) if (*number - 1.0).abs() < f64::EPSILON => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Index {
        let name = CollectionName::new("users").unwrap();
        let key_fields = vec!["id".to_owned(), "email".to_owned()];
        Index::key(&CollectionLayout {
            key_fields,
            ..CollectionLayout::new(name)
        })
        .unwrap()
    }

    #[test]
    fn only_a_plain_unique_index_in_the_same_order_serves_as_the_key() {
        let index = |text: Document| Index::of(&text).unwrap().serves_as(&wanted());
        assert!(index(
            doc! { "name": "x", "key": { "id": 1, "email": 1.0 }, "unique": true }
        ));
        assert!(!index(doc! { "name": "x", "key": { "id": 1, "email": 1 } }));
        assert!(!index(
            doc! { "name": "x", "key": { "email": 1, "id": 1 }, "unique": true }
        ));
        assert!(!index(
            doc! { "name": "x", "key": { "id": 1, "email": -1 }, "unique": true }
        ));
        assert!(!index(
            doc! { "name": "x", "key": { "id": 1, "email": 1 }, "unique": true, "sparse": true }
        ));
    }

    #[test]
    fn the_index_of_the_id_serves_as_a_key_of_it() {
        let layout = CollectionLayout {
            key_fields: vec!["_id".to_owned()],
            ..CollectionLayout::new(CollectionName::new("users").unwrap())
        };
        let index = Index::of(&doc! { "v": 2, "name": "_id_", "key": { "_id": 1 } }).unwrap();
        assert!(index.serves_as(&Index::key(&layout).unwrap()));
    }

    #[test]
    fn an_index_is_made_again_as_it_was() {
        let told =
            doc! { "v": 2, "name": TTL_INDEX, "key": { "a": 1 }, "expireAfterSeconds": 9, "hidden": true };
        assert_eq!(Index::of(&told).unwrap().document(), &told);
    }
}
