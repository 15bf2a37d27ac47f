//! Reads and writes `config.collections`.

use bson::{Document, doc};
use conduit_core::CollectionName;
use conduit_mongo::describe;
use futures_util::TryStreamExt;
use mongodb::error::{Error as MongoError, ErrorKind, WriteFailure};
use mongodb::options::{CollectionOptions, ReadConcern, WriteConcern};
use mongodb::{Collection, Database};

use super::entry::Deletion;
use super::{CATALOG_COLLECTION, CollectionConfig, Entry};
use crate::secrets::{NoRandomness, SecretKeys};

/// Why a write of the configuration did not happen.
#[derive(Debug)]
pub(crate) enum CatalogError {
    /// MongoDB cannot be reached, or refused.
    Unavailable(MongoError),
    /// A stored configuration cannot be read.
    Unreadable(String),
    /// The secrets of a configuration cannot be encrypted.
    Unencrypted,
    /// The collection is configured already.
    Exists,
    /// Somebody else changed it meanwhile.
    Changed,
}

impl From<MongoError> for CatalogError {
    fn from(error: MongoError) -> Self {
        Self::Unavailable(error)
    }
}

impl From<NoRandomness> for CatalogError {
    fn from(NoRandomness: NoRandomness) -> Self {
        Self::Unencrypted
    }
}

impl std::fmt::Display for CatalogError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unavailable(error) => write!(f, "MongoDB cannot be reached: {}", describe(error)),
            Self::Unreadable(name) => write!(f, "the stored configuration of {name} cannot be read"),
            Self::Unencrypted => f.write_str(
                "the secrets cannot be encrypted, since the operating system gives no random numbers: nothing was stored",
            ),
            Self::Exists => f.write_str("the collection is configured already"),
            Self::Changed => f.write_str("the configuration was changed by somebody else meanwhile"),
        }
    }
}

/// The stored configuration, read and written with majority, so that nothing that was answered is rolled back.
#[derive(Clone, Debug)]
pub(crate) struct Catalog {
    pub(super) database: Database,
    pub(super) entries: Collection<Document>,
    /// What secrets are encrypted with.
    pub(super) keys: SecretKeys,
}

impl Catalog {
    pub(crate) fn new(database: &Database) -> Self {
        let options = CollectionOptions::builder()
            .read_concern(ReadConcern::majority())
            .write_concern(WriteConcern::majority())
            .build();
        Self {
            database: database.clone(),
            entries: database.collection_with_options(CATALOG_COLLECTION, options),
            keys: SecretKeys::default(),
        }
    }

    /// Encrypts secrets with these keys, and decrypts them.
    pub(crate) fn with_secret_keys(mut self, keys: SecretKeys) -> Self {
        self.keys = keys;
        self
    }

    /// Returns everything, sorted by name.
    pub(crate) async fn list(&self) -> Result<Vec<Entry>, CatalogError> {
        let mut cursor = self.entries.find(doc! {}).sort(doc! { "_id": 1 }).await?;
        let mut entries = Vec::new();
        while let Some(document) = cursor.try_next().await? {
            entries.push(self.read(document)?);
        }
        Ok(entries)
    }

    pub(crate) async fn get(&self, name: &str) -> Result<Option<Entry>, CatalogError> {
        self.entries
            .find_one(doc! { "_id": name })
            .await?
            .map(|document| self.read(document))
            .transpose()
    }

    /// Stores a new configuration; its streams start at this write's operation time.
    pub(crate) async fn create(&self, config: &CollectionConfig) -> Result<Entry, CatalogError> {
        let update = update(None, &config.sealed(&self.keys)?, 1)?;
        // No document has this version, so that one that exists is a duplicate rather than overwritten.
        let filter = doc! { "_id": config.collection_name.as_str(), "version": -1_i64 };
        match self.entries.update_one(filter, update).upsert(true).await {
            Ok(_) => self.stored(config).await,
            Err(error) if is_duplicate(&error) => Err(CatalogError::Exists),
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces a configuration if it is still at the version of `old`. Streams that go on keep their start; new ones and
    /// those of a collection that was off start at this write's operation time.
    pub(crate) async fn replace(
        &self,
        old: &Entry,
        config: &CollectionConfig,
    ) -> Result<Entry, CatalogError> {
        let update = update(Some(old), &config.sealed(&self.keys)?, old.version + 1)?;
        let filter = doc! { "_id": config.collection_name.as_str(), "version": old.version };
        if self.entries.update_one(filter, update).await?.matched_count == 0 {
            return Err(CatalogError::Changed);
        }
        self.stored(config).await
    }

    fn read(&self, document: Document) -> Result<Entry, CatalogError> {
        let mut entry = read(document)?;
        entry.config.open(&self.keys);
        Ok(entry)
    }

    async fn stored(&self, config: &CollectionConfig) -> Result<Entry, CatalogError> {
        self.get(config.collection_name.as_str())
            .await?
            .ok_or(CatalogError::Changed)
    }

    /// Notes that a deletion began, so that it is finished even if this process dies.
    pub(crate) async fn begin_deletion(&self, old: &Entry, deletion: Deletion) -> Result<(), CatalogError> {
        let name = old.config.collection_name.as_str();
        let deletion = bson::serialize_to_bson(&deletion).map_err(MongoError::custom)?;
        let update = doc! { "$set": { "version": old.version + 1, "deleting": deletion } };
        let filter = doc! { "_id": name, "version": old.version };
        match self.entries.update_one(filter, update).await?.matched_count {
            0 => Err(CatalogError::Changed),
            _ => Ok(()),
        }
    }

    /// Notes that the documents of a collection that is being deleted are dropped: what is left of the deletion keeps those
    /// that somebody writes from now on.
    pub(crate) async fn note_dropped(&self, name: &CollectionName) -> Result<(), CatalogError> {
        let deletion = bson::serialize_to_bson(&Deletion::KeepData).map_err(MongoError::custom)?;
        let filter = doc! { "_id": name.as_str(), "deleting": { "$exists": true } };
        let update = doc! { "$set": { "deleting": deletion } };
        self.entries.update_one(filter, update).await?;
        Ok(())
    }

    /// Removes a configuration whose deletion is finished.
    pub(crate) async fn end_deletion(&self, name: &CollectionName) -> Result<(), CatalogError> {
        let filter = doc! { "_id": name.as_str(), "deleting": { "$exists": true } };
        self.entries.delete_one(filter).await?;
        Ok(())
    }
}

/// Reads an entry as it is stored, its secrets encrypted.
pub(super) fn read(document: Document) -> Result<Entry, CatalogError> {
    let name = document.get_str("_id").unwrap_or("?").to_owned();
    bson::deserialize_from_document(document).map_err(|error| {
        tracing::error!(collection = name, %error, "a stored configuration cannot be read");
        CatalogError::Unreadable(name)
    })
}

fn update(old: Option<&Entry>, config: &CollectionConfig, version: i64) -> Result<Document, CatalogError> {
    let stored = bson::serialize_to_document(config).map_err(MongoError::custom)?;
    let mut update = doc! { "$set": { "version": version, "config": stored } };
    let goes_on = |id| {
        old.filter(|old| old.config.stream_enabled)
            .and_then(|old| old.start_of(id))
            .is_some()
    };
    let mut begin = Document::new();
    let mut end = Document::new();
    if config.stream_enabled {
        for destination in config
            .destinations
            .iter()
            .filter(|destination| !goes_on(&destination.id))
        {
            begin.insert(
                format!("streams.{}", destination.id),
                doc! { "$type": "timestamp" },
            );
        }
    }
    for old in old.iter().flat_map(|old| &old.config.destinations) {
        let stays = config.stream_enabled && config.destinations.iter().any(|new| new.id == old.id);
        if !stays {
            for kept in ["streams", "paused", "rewinds", "marks"] {
                end.insert(format!("{kept}.{}", old.id), "");
            }
        }
    }
    if !begin.is_empty() {
        update.insert("$currentDate", begin);
    }
    if !end.is_empty() {
        update.insert("$unset", end);
    }
    Ok(update)
}

fn is_duplicate(error: &MongoError) -> bool {
    match &*error.kind {
        ErrorKind::Write(WriteFailure::WriteError(error)) => error.code == 11000,
        _ => false,
    }
}
