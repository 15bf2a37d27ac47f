//! Creates, adopts, changes and drops the collections that are watched.

use bson::{Document, doc};
use conduit_core::{ClusterTime, CollectionName};
use mongodb::Database;
use mongodb::error::Error;

use super::difference::Difference;
use super::error::{AdminError, AdminErrorKind, AdminField};
use super::index;
use super::layout::{CollectionLayout, Origin, StoredImages};
use super::plan::{Found, plan};
use super::server_version::ServerVersion;
use super::step::Step;
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

    /// Makes the collection be as `layout` says, whether it is there or not.
    ///
    /// Creates it or adopts what is there; turns images on or off; creates, changes or drops the unique index
    /// `conduit_key` over the key's fields, and `conduit_ttl`, by which documents expire at the time in their
    /// field. An index of another name is never touched; if it does the same it serves instead.
    ///
    /// A fault changes nothing: what can be seen by reading is checked first, and what was done before a later
    /// change failed is undone. Others may see it meanwhile. What cannot be undone, say because the server is
    /// away, the message names. Not cancel safe: dropped midway it leaves what was done; the same call finishes it.
    ///
    /// # Errors
    /// `NotSupported` for a view or a time series, for an expiry in a capped collection, and for images before
    /// MongoDB 6.0. `Conflict` if documents have the same key, or an index of the same fields has other options.
    /// `InvalidInput` if MongoDB does not take a name. `Unavailable` otherwise. All but the last name the field.
    pub async fn create_or_adopt(&self, layout: &CollectionLayout) -> Result<Origin, AdminError> {
        if layout.images == StoredImages::On {
            self.require_stored_images().await?;
        }
        let (found, origin) = match self.inspect(&layout.name).await? {
            Some(found) => (found, Origin::Adopted),
            None => self.create(layout).await?,
        };
        let mut done = Vec::new();
        for step in plan(layout, &found)? {
            match step.run(&self.database, &layout.name).await {
                Ok(true) => done.push(step),
                Ok(false) => {}
                Err(failed) => {
                    done.extend(failed.is_unknown.then_some(step));
                    let left = self.undo(&layout.name, done, origin).await;
                    return Err(failed.error.with_left(&left));
                }
            }
        }
        Ok(origin)
    }

    /// Says what [`create_or_adopt`](Self::create_or_adopt) would do, one change after the other, such as `make the index
    /// conduit_ttl of orders over expires`; nothing if all is as `layout` says. Only reads. Safe to drop.
    ///
    /// # Errors
    /// As `create_or_adopt`, but for what only shows when it is done, such as documents with the same key.
    pub async fn preview(&self, layout: &CollectionLayout) -> Result<Vec<String>, AdminError> {
        if layout.images == StoredImages::On {
            self.require_stored_images().await?;
        }
        let name = &layout.name;
        let (found, mut changes) = match self.inspect(name).await? {
            Some(found) => (found, Vec::new()),
            None => (
                Found::created(layout),
                vec![format!("create the collection {name}")],
            ),
        };
        changes.extend(plan(layout, &found)?.iter().map(|step| step.describe(name)));
        Ok(changes)
    }

    /// Drops the collection; does nothing if it is not there.
    ///
    /// # Errors
    /// `Unavailable`, or `InvalidInput` if MongoDB does not take the name.
    pub async fn drop(&self, name: &CollectionName) -> Result<(), AdminError> {
        match self.database.run_command(doc! { "drop": name.as_str() }).await {
            Err(error) if code_of(&error) != Some(code::NAMESPACE_NOT_FOUND) => {
                Err(AdminError::of(&error, &format!("drop the collection {name}")).about(AdminField::Name))
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

    /// Tells what [`create_or_adopt`](Self::create_or_adopt) would change now, and changes nothing; `None` if the collection is
    /// not there.
    ///
    /// # Errors
    /// As [`create_or_adopt`](Self::create_or_adopt).
    pub async fn differences(
        &self,
        layout: &CollectionLayout,
    ) -> Result<Option<Vec<Difference>>, AdminError> {
        let Some(found) = self.inspect(&layout.name).await? else {
            return Ok(None);
        };
        let steps = plan(layout, &found)?;
        Ok(Some(
            steps
                .iter()
                .map(|step| Difference::of(step, &layout.name))
                .collect(),
        ))
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    pub(super) fn admin_database(&self) -> Database {
        self.database.client().database("admin")
    }

    pub(super) fn local_database(&self) -> Database {
        self.database.client().database("local")
    }

    async fn require_stored_images(&self) -> Result<(), AdminError> {
        let version = self.server_version().await?;
        if version >= STORES_IMAGES {
            return Ok(());
        }
        let message = format!("old images and key schemas need mongodb 6.0 or newer; this is {version}");
        Err(AdminError::new(AdminErrorKind::NotSupported, message).about(AdminField::Images))
    }

    async fn find(&self, name: &CollectionName) -> Result<Option<Document>, AdminError> {
        let command = doc! { "listCollections": 1, "filter": { "name": name.as_str() } };
        let doing = format!("look for the collection {name}");
        let reply = self
            .database
            .run_command(command)
            .await
            .map_err(|error| AdminError::of(&error, &doing).about(AdminField::Name))?;
        let batch = reply
            .get_document("cursor")
            .and_then(|cursor| cursor.get_array("firstBatch"));
        Ok(batch.ok().and_then(|found| found.first()?.as_document().cloned()))
    }

    /// What is known of the collection, if it is there and can be watched.
    async fn inspect(&self, name: &CollectionName) -> Result<Option<Found>, AdminError> {
        let Some(info) = self.find(name).await? else {
            return Ok(None);
        };
        refuse_what_cannot_be_watched(name, &info)?;
        let indexes = index::list(&self.database, name).await?;
        Ok(Some(Found::new(&info, indexes)))
    }

    async fn create(&self, layout: &CollectionLayout) -> Result<(Found, Origin), AdminError> {
        let name = &layout.name;
        let mut command = doc! { "create": name.as_str() };
        if layout.images == StoredImages::On {
            command.insert("changeStreamPreAndPostImages", doc! { "enabled": true });
        }
        match self.database.run_command(command).await {
            Ok(_) => Ok((Found::created(layout), Origin::Created)),
            // Somebody else was faster.
            Err(error) if code_of(&error) == Some(code::NAMESPACE_EXISTS) => {
                let found = self.inspect(name).await?.ok_or_else(|| {
                    let message = format!("the collection {name} was dropped while it was created");
                    AdminError::new(AdminErrorKind::Conflict, message).about(AdminField::Name)
                })?;
                Ok((found, Origin::Adopted))
            }
            Err(error) => {
                let doing = format!("create the collection {name}");
                Err(AdminError::of(&error, &doing).about(AdminField::Name))
            }
        }
    }

    /// Undoes steps, the last one first, and drops the collection if it was created and nobody has written to it.
    /// Returns what is left to undo; nothing more is tried when the server is away.
    async fn undo(&self, name: &CollectionName, done: Vec<Step>, origin: Origin) -> Vec<String> {
        let mut left = Vec::new();
        let mut is_away = false;
        for step in done.iter().rev().map(Step::inverse) {
            if is_away {
                left.push(step.describe(name));
            } else if let Err(failed) = step.run(&self.database, name).await {
                is_away = failed.is_unknown;
                left.push(step.describe(name));
            }
        }
        if origin == Origin::Created && (is_away || self.drop_if_empty(name).await.is_err()) {
            left.push(format!("drop the collection {name}"));
        }
        left
    }

    async fn drop_if_empty(&self, name: &CollectionName) -> Result<(), AdminError> {
        let command = doc! { "find": name.as_str(), "limit": 1, "projection": { "_id": 1 } };
        let doing = format!("look for documents of {name}");
        let reply = self.database.run_command(command).await.map_err(cannot(&doing))?;
        let batch = reply
            .get_document("cursor")
            .and_then(|cursor| cursor.get_array("firstBatch"));
        if batch.is_ok_and(Vec::is_empty) {
            self.drop(name).await?;
        }
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
    Err(AdminError::new(AdminErrorKind::NotSupported, message).about(AdminField::Name))
}

fn cannot(doing: &str) -> impl Fn(Error) -> AdminError {
    move |error| AdminError::of(&error, doing)
}
