//! Creates, adopts, changes and drops the collections that are watched.

use bson::{Document, doc};
use conduit_core::{ClusterTime, CollectionName};
use mongodb::Database;
use mongodb::error::Error;

use super::error::{AdminError, AdminErrorKind};
use super::index;
use super::layout::{CollectionLayout, Origin, StoredImages};
use super::server_version::ServerVersion;
use crate::server_error::{code, code_of};

/// The first version that stores images.
const STORES_IMAGES: ServerVersion = ServerVersion::new(6, 0, 0);

/// Administers the collections of one database.
///
/// Everything can be repeated: what was cut short is finished by the same call. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct CollectionAdmin {
    database: Database,
}

impl CollectionAdmin {
    /// Administers collections of `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Makes the collection be as `spec` says, whether it is there or not.
    ///
    /// Creates it or adopts what is there; turns images on or off; creates, changes or drops the unique index
    /// `conduit_key` over the key's fields, and `conduit_ttl`, by which documents expire at the time in their
    /// field. An index of another name is never touched; if it does the same it serves instead. Not atomic:
    /// on an error, what came before is done.
    ///
    /// # Errors
    /// `NotSupported` for a view or a time series, and for images before MongoDB 6.0. `Conflict` if documents
    /// have the same key, or an index of the same fields has other options. `InvalidInput` if MongoDB does
    /// not take a name. `Unavailable` otherwise.
    pub async fn create_or_adopt(&self, spec: &CollectionLayout) -> Result<Origin, AdminError> {
        if spec.images == StoredImages::On {
            self.require_stored_images().await?;
        }
        let (info, origin) = match self.find(&spec.name).await? {
            Some(info) => (info, Origin::Adopted),
            None => self.create(spec).await?,
        };
        refuse_what_cannot_be_watched(&spec.name, &info)?;
        self.arrange_images(spec, &info).await?;
        index::arrange(&self.database, spec).await?;
        Ok(origin)
    }

    /// Drops the collection; does nothing if it is not there.
    ///
    /// # Errors
    /// `Unavailable`, or `InvalidInput` if MongoDB does not take the name.
    pub async fn drop(&self, name: &CollectionName) -> Result<(), AdminError> {
        match self.database.run_command(doc! { "drop": name.as_str() }).await {
            Err(error) if code_of(&error) != Some(code::NAMESPACE_NOT_FOUND) => {
                Err(AdminError::of(&error, &format!("drop the collection {name}")))
            }
            _ => Ok(()),
        }
    }

    /// Returns the server's version.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn server_version(&self) -> Result<ServerVersion, AdminError> {
        let doing = "ask for mongodb's version";
        let reply = self
            .database
            .run_command(doc! { "buildInfo": 1 })
            .await
            .map_err(cannot(doing))?;
        ServerVersion::of(&reply)
            .ok_or_else(|| AdminError::new(AdminErrorKind::Unavailable, "mongodb does not tell its version"))
    }

    /// Returns the present operation time: every write acknowledged before the call is at or before it.
    ///
    /// # Errors
    /// `NotSupported` by a standalone server, else `Unavailable`.
    pub async fn operation_time(&self) -> Result<ClusterTime, AdminError> {
        let reply = self
            .database
            .run_command(doc! { "ping": 1 })
            .await
            .map_err(cannot("ask for the time"))?;
        let time = reply.get_timestamp("operationTime").map_err(|_| {
            let message = "mongodb tells no operation time: it must be a replica set or sharded cluster";
            AdminError::new(AdminErrorKind::NotSupported, message)
        })?;
        Ok(ClusterTime::new(time.time, time.increment))
    }

    async fn require_stored_images(&self) -> Result<(), AdminError> {
        let version = self.server_version().await?;
        if version >= STORES_IMAGES {
            return Ok(());
        }
        let message = format!("old images and key schemas need mongodb 6.0 or newer; this is {version}");
        Err(AdminError::new(AdminErrorKind::NotSupported, message))
    }

    async fn find(&self, name: &CollectionName) -> Result<Option<Document>, AdminError> {
        let command = doc! { "listCollections": 1, "filter": { "name": name.as_str() } };
        let doing = format!("look for the collection {name}");
        let reply = self.database.run_command(command).await.map_err(cannot(&doing))?;
        let batch = reply
            .get_document("cursor")
            .and_then(|cursor| cursor.get_array("firstBatch"));
        Ok(batch.ok().and_then(|found| found.first()?.as_document().cloned()))
    }

    async fn create(&self, spec: &CollectionLayout) -> Result<(Document, Origin), AdminError> {
        let mut command = doc! { "create": spec.name.as_str() };
        if spec.images == StoredImages::On {
            command.insert("changeStreamPreAndPostImages", doc! { "enabled": true });
        }
        let origin = match self.database.run_command(command).await {
            Ok(_) => Origin::Created,
            // Somebody else was faster.
            Err(error) if code_of(&error) == Some(code::NAMESPACE_EXISTS) => Origin::Adopted,
            Err(error) => {
                return Err(AdminError::of(
                    &error,
                    &format!("create the collection {}", spec.name),
                ));
            }
        };
        let info = self.find(&spec.name).await?.ok_or_else(|| {
            let message = format!("the collection {} was dropped while it was created", spec.name);
            AdminError::new(AdminErrorKind::Conflict, message)
        })?;
        Ok((info, origin))
    }

    async fn arrange_images(&self, spec: &CollectionLayout, info: &Document) -> Result<(), AdminError> {
        let is_on = info
            .get_document("options")
            .and_then(|options| options.get_document("changeStreamPreAndPostImages"))
            .and_then(|images| images.get_bool("enabled"))
            .unwrap_or(false);
        let wanted = match spec.images {
            StoredImages::Keep => return Ok(()),
            StoredImages::On => true,
            StoredImages::Off => false,
        };
        if wanted == is_on {
            return Ok(());
        }
        let command =
            doc! { "collMod": spec.name.as_str(), "changeStreamPreAndPostImages": { "enabled": wanted } };
        let verb = if wanted { "on" } else { "off" };
        let doing = format!("turn {verb} stored images of {}", spec.name);
        self.database.run_command(command).await.map_err(cannot(&doing))?;
        Ok(())
    }
}

fn refuse_what_cannot_be_watched(name: &CollectionName, info: &Document) -> Result<(), AdminError> {
    let what = match info.get_str("type") {
        Ok("view") => "a view",
        Ok("timeseries") => "a time series",
        _ => return Ok(()),
    };
    let message = format!("{name} is {what}, whose changes mongodb does not tell");
    Err(AdminError::new(AdminErrorKind::NotSupported, message))
}

fn cannot(doing: &str) -> impl Fn(Error) -> AdminError {
    move |error| AdminError::of(&error, doing)
}
