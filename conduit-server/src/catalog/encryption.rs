//! How secrets are encrypted where the configuration is stored.

use bson::{Bson, doc};
use futures_util::TryStreamExt;
use mongodb::error::Error as MongoError;

use super::CollectionConfig;
use super::store::{Catalog, CatalogError, read};
use crate::secrets::{NoRandomness, SecretKeys};

impl CollectionConfig {
    /// Returns what is stored: secrets encrypted, if there is a key.
    pub(super) fn sealed(&self, keys: &SecretKeys) -> Result<Self, NoRandomness> {
        let mut sealed = self.clone();
        let collection = self.collection_name.as_str();
        for destination in &mut sealed.destinations {
            destination
                .settings
                .seal(keys, (collection, destination.id.as_str()))?;
        }
        Ok(sealed)
    }

    /// Decrypts what is stored. A secret for which there is no key stays as it is: its destination rests, and a write keeps
    /// it. Returns whether all is stored as it would be now.
    pub(crate) fn open(&mut self, keys: &SecretKeys) -> bool {
        let collection = self.collection_name.as_str();
        let mut is_current = true;
        for destination in &mut self.destinations {
            is_current &= destination
                .settings
                .open(keys, (collection, destination.id.as_str()));
        }
        is_current
    }
}

impl Catalog {
    /// Encrypts the secrets that were stored before there was a key, or with the key before it. Returns of how many
    /// collections. No version changes, since no configuration does; what somebody writes meanwhile is encrypted by that
    /// write.
    pub(crate) async fn encrypt_stored(&self) -> Result<usize, CatalogError> {
        if self.keys.is_empty() {
            return Ok(0);
        }
        let mut changed = 0;
        let mut cursor = self.entries.find(doc! {}).await?;
        while let Some(document) = cursor.try_next().await? {
            let stored = document.get("config").cloned().unwrap_or(Bson::Null);
            // What cannot be read has been said, and is nobody else's fault.
            let Ok(mut entry) = read(document) else {
                continue;
            };
            if entry.config.open(&self.keys) {
                continue;
            }
            let sealed = bson::serialize_to_document(&entry.config.sealed(&self.keys)?);
            // Compared with the configuration alone: a pause, which grows the version, does not write it.
            let name = entry.config.collection_name.as_str();
            let filter = doc! { "_id": name, "config": stored };
            let update = doc! { "$set": { "config": sealed.map_err(MongoError::custom)? } };
            let written = self.entries.update_one(filter, update).await?;
            changed += usize::from(written.matched_count > 0);
        }
        Ok(changed)
    }
}
