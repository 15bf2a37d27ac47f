//! What the handlers share.

use std::sync::Arc;

use conduit_core::StateStore;
use conduit_mongo::CollectionAdmin;

use super::auth::Tokens;
use super::problem::Problem;
use crate::bulletin::Bulletin;
use crate::catalog::{Catalog, Entry};
use crate::environment::Role;

/// The parts that handlers work with. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) role: Role,
    pub(crate) catalog: Catalog,
    pub(crate) admin: CollectionAdmin,
    pub(crate) store: Arc<dyn StateStore>,
    pub(crate) bulletin: Bulletin,
    pub(crate) tokens: Tokens,
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
}
