//! The indexes that a collection is to have. Only those named `conduit_*` are ever changed or dropped.

use bson::{Bson, Document, doc};
use mongodb::Database;
use mongodb::error::Error;

use super::error::AdminError;
use super::layout::CollectionLayout;
use crate::server_error::{code, code_of};

/// The unique index over the key schema's fields.
pub(super) const KEY_INDEX: &str = "conduit_key";
/// The index that lets documents expire.
pub(super) const TTL_INDEX: &str = "conduit_ttl";

/// An index as it is, or as it is to be.
#[derive(Clone, PartialEq, Debug)]
struct Index {
    name: String,
    fields: Vec<String>,
    is_unique: bool,
    expire_after_seconds: Option<i64>,
    /// Partial or sparse, or of another order or kind: then it is no substitute.
    is_special: bool,
}

impl Index {
    fn of(document: &Document) -> Option<Self> {
        let keys = document.get_document("key").ok()?;
        let is_ascending = |(_, order): (&String, &Bson)| number(order) == Some(1);
        let special = ["partialFilterExpression", "sparse", "collation"];
        Some(Self {
            name: document.get_str("name").ok()?.to_owned(),
            fields: keys.keys().cloned().collect(),
            is_unique: document.get_bool("unique").unwrap_or(false),
            expire_after_seconds: document.get("expireAfterSeconds").and_then(number),
            is_special: !keys.iter().all(is_ascending)
                || special.iter().any(|option| document.contains_key(option)),
        })
    }

    fn key(spec: &CollectionLayout) -> Option<Self> {
        (!spec.key_fields.is_empty()).then(|| Self {
            name: KEY_INDEX.to_owned(),
            fields: spec.key_fields.clone(),
            is_unique: true,
            expire_after_seconds: None,
            is_special: false,
        })
    }

    fn ttl(spec: &CollectionLayout) -> Option<Self> {
        spec.ttl_attribute.as_ref().map(|field| Self {
            name: TTL_INDEX.to_owned(),
            fields: vec![field.clone()],
            is_unique: false,
            expire_after_seconds: Some(0),
            is_special: false,
        })
    }

    /// Whether this index, under whatever name, does all that `wanted` is to do.
    fn serves_as(&self, wanted: &Self) -> bool {
        !self.is_special
            && self.fields == wanted.fields
            && self.is_unique >= wanted.is_unique
            && self.expire_after_seconds == wanted.expire_after_seconds
    }

    fn document(&self) -> Document {
        let keys: Document = self
            .fields
            .iter()
            .map(|field| (field.clone(), Bson::Int32(1)))
            .collect();
        let mut document = doc! { "name": &self.name, "key": keys };
        if self.is_unique {
            document.insert("unique", true);
        }
        if let Some(seconds) = self.expire_after_seconds {
            document.insert("expireAfterSeconds", seconds);
        }
        document
    }
}

/// Creates, changes and drops the collection's own indexes until they are as the specification says.
pub(super) async fn arrange(database: &Database, spec: &CollectionLayout) -> Result<(), AdminError> {
    let existing = list(database, spec).await?;
    for (name, wanted) in [(KEY_INDEX, Index::key(spec)), (TTL_INDEX, Index::ttl(spec))] {
        let own = existing.iter().find(|index| index.name == name);
        if let (Some(own), Some(wanted)) = (own, &wanted)
            && own == wanted
        {
            continue;
        }
        if own.is_some() {
            drop_index(database, spec, name).await?;
        }
        if let Some(wanted) = wanted
            && !existing
                .iter()
                .any(|index| index.name != name && index.serves_as(&wanted))
        {
            create(database, spec, &wanted).await?;
        }
    }
    Ok(())
}

async fn list(database: &Database, spec: &CollectionLayout) -> Result<Vec<Index>, AdminError> {
    // No collection may have more than 64 indexes, so they come with the first reply.
    let command = doc! { "listIndexes": spec.name.as_str(), "cursor": { "batchSize": 100 } };
    let reply = database
        .run_command(command)
        .await
        .map_err(|error| AdminError::of(&error, &format!("list the indexes of {}", spec.name)))?;
    let batch = reply
        .get_document("cursor")
        .and_then(|cursor| cursor.get_array("firstBatch"));
    let documents = batch.map(Vec::as_slice).unwrap_or_default();
    Ok(documents
        .iter()
        .filter_map(|index| Index::of(index.as_document()?))
        .collect())
}

async fn create(database: &Database, spec: &CollectionLayout, index: &Index) -> Result<(), AdminError> {
    let command = doc! { "createIndexes": spec.name.as_str(), "indexes": [index.document()] };
    let doing = format!(
        "make the index {} of {} over {}",
        index.name,
        spec.name,
        index.fields.join(", ")
    );
    database
        .run_command(command)
        .await
        .map_err(|error| AdminError::of(&error, &doing))?;
    Ok(())
}

async fn drop_index(database: &Database, spec: &CollectionLayout, name: &str) -> Result<(), AdminError> {
    const INDEX_NOT_FOUND: i32 = 27;
    let is_gone = |error: &Error| matches!(code_of(error), Some(code::NAMESPACE_NOT_FOUND | INDEX_NOT_FOUND));
    match database
        .run_command(doc! { "dropIndexes": spec.name.as_str(), "index": name })
        .await
    {
        Err(error) if !is_gone(&error) => Err(AdminError::of(
            &error,
            &format!("drop the index {name} of {}", spec.name),
        )),
        _ => Ok(()),
    }
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
    use conduit_core::CollectionName;

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
    fn an_index_reads_back_as_it_was_written() {
        assert_eq!(Index::of(&wanted().document()), Some(wanted()));
    }
}
