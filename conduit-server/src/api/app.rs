//! What the handlers share.

use std::sync::Arc;

use conduit_core::{Handle, StateStore};
use conduit_mongo::{AdminError, AdminField, CollectionAdmin, MongoWatcher};
use tokio::sync::Notify;

use super::auth::Tokens;
use super::problem::Problem;
use super::writing::Writing;
use crate::bulletin::Bulletin;
use crate::catalog::{Catalog, CollectionConfig, Entry};
use crate::destination_type::DestinationTypes;
use crate::doctor::Subject;
use crate::environment::Role;
use crate::health::Health;
use crate::history::History;
use crate::tail::Tails;

/// The parts that handlers work with. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) role: Role,
    pub(crate) catalog: Catalog,
    pub(crate) types: DestinationTypes,
    pub(crate) admin: CollectionAdmin,
    pub(crate) store: Arc<dyn StateStore>,
    pub(crate) bulletin: Bulletin,
    pub(crate) tokens: Tokens,
    pub(crate) health: Health,
    pub(crate) history: History,
    pub(crate) writing: Writing,
    /// Told of every deletion that begins, so that it is finished whatever becomes of the request.
    pub(crate) deletions: Arc<Notify>,
    /// Tells what MongoDB's history holds still.
    pub(crate) watcher: MongoWatcher,
    /// This process's own engine, if it has one.
    pub(crate) engine: Option<Handle>,
    /// This server's setup, for the doctor.
    pub(crate) subject: Subject,
    /// Who looks on at records.
    pub(crate) tails: Tails,
}

impl App {
    /// Returns a configured collection; one that is being deleted is not there any more.
    pub(crate) async fn entry(&self, name: &str) -> Result<Entry, Problem> {
        let entry = self
            .catalog
            .get(name)
            .await?
            .filter(|entry| entry.deleting.is_none());
        entry.ok_or_else(|| Problem::not_found(name))
    }

    /// Makes the collection in MongoDB be what the configuration needs. Whoever calls it holds its place in `writing`.
    pub(crate) async fn prepare(&self, config: &CollectionConfig) -> Result<(), Problem> {
        let made = self.admin.create_or_adopt(&config.layout()).await;
        made.map(|_origin| ()).map_err(|error| at_fault(config, error))
    }

    /// Says what [`prepare`](Self::prepare) would do in MongoDB, and refuses what it would refuse.
    pub(crate) async fn preview(&self, config: &CollectionConfig) -> Result<Vec<String>, Problem> {
        let previewed = self.admin.preview(&config.layout()).await;
        previewed.map_err(|error| at_fault(config, error))
    }
}

fn at_fault(config: &CollectionConfig, error: AdminError) -> Problem {
    match error.field() {
        // Without old_image it is streaming with a key schema that needs images.
        Some(AdminField::Images) if !config.old_image => Problem::of_admin(&error, "stream_enabled"),
        _ => error.into(),
    }
}
