//! Deletions of collections, which are finished even if the request, the process or the state store is gone meanwhile.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use conduit_core::CollectionName;
use tokio::sync::Notify;

use super::actor::{Action, Actor};
use super::app::App;
use super::body::NoBody;
use super::parameters::KeepData;
use super::path::Name;
use super::precondition::IfMatch;
use super::problem::Problem;
use crate::catalog::{CatalogError, Deletion};
use crate::health::Dependency;

const PROTECTED: &str = "Deletion protection is enabled. Disable it before deleting the collection.";
/// How long the state store may take to drop a collection's state before a request is answered without it.
const REQUEST_PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take when nobody waits for it.
const PATIENCE: Duration = Duration::from_secs(600);

/// Drops a collection, its configuration and its state. One that is cut short is finished later.
#[utoipa::path(
    delete, path = "/api/collections/{name}", operation_id = "deleteCollection", tag = "collections",
    params(("name" = String, Path), ("keep_data" = Option<bool>, Query), ("If-Match" = Option<String>, Header)),
    responses(
        (status = 204, description = "It is gone."),
        (status = 403, description = "Deletion protection is enabled, the token may only read, or a page of another origin asks for it."),
        (status = 404, description = "No such collection."),
        (status = 409, description = "Somebody else changed it."),
        (status = 412, description = "Another version is stored than If-Match says."),
    )
)]
pub(crate) async fn delete(
    State(app): State<App>,
    Name(name): Name,
    KeepData(keep_data): KeepData,
    if_match: IfMatch,
    actor: Actor,
    _: NoBody,
) -> Result<StatusCode, Problem> {
    let _writing = app.writing.lock(&name).await;
    let entry = app.entry(&name).await?;
    if entry.config.deletion_protection {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "deletion_protected",
            PROTECTED,
        ));
    }
    if_match.check(&entry)?;
    let deletion = if keep_data {
        Deletion::KeepData
    } else {
        Deletion::DropData
    };
    let _told = ToldAtTheEnd(&app.deletions);
    let collection = &entry.config.collection_name;
    app.catalog.begin_deletion(&entry, deletion).await?;
    // It is finished from here on, whatever becomes of the request.
    actor.audit(Action::Delete, &name, &[], Some(entry.version));
    app.bulletin.tell_change(collection).await;
    drop_documents(&app, collection, deletion).await?;
    if forget(&app, collection, REQUEST_PATIENCE).await? {
        tracing::info!(collection = name, ?deletion, "deleted");
    } else {
        tracing::warn!(
            collection = name,
            ?deletion,
            "deleted but for its state, which goes when the state store is there again"
        );
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Has deletions looked at when a request that began one ends, however it does.
struct ToldAtTheEnd<'a>(&'a Notify);

impl Drop for ToldAtTheEnd<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// Does what is left of all deletions; returns whether nothing is left.
pub(crate) async fn finish_deletions(app: &App) -> Result<bool, Problem> {
    let mut is_done = true;
    for entry in app.catalog.list().await? {
        if entry.deleting.is_some() {
            is_done &= finish_deletion(app, &entry.config.collection_name).await?;
        }
    }
    Ok(is_done)
}

async fn finish_deletion(app: &App, name: &CollectionName) -> Result<bool, Problem> {
    // Asked again once no request is at it: it may be finished, and the name in use again. If it is not, nobody else touches
    // it, since requests are refused.
    let entry = {
        let _writing = app.writing.lock(name.as_str()).await;
        app.catalog.get(name.as_str()).await?
    };
    let Some(deletion) = entry.and_then(|entry| entry.deleting) else {
        return Ok(true);
    };
    drop_documents(app, name, deletion).await?;
    let is_done = forget(app, name, PATIENCE).await?;
    if is_done {
        tracing::info!(collection = %name, "finished a deletion that was cut short");
    }
    Ok(is_done)
}

/// The part of a deletion that concerns MongoDB. It is noted as done, so that what somebody writes to a new collection of the
/// name is not dropped too.
async fn drop_documents(app: &App, name: &CollectionName, deletion: Deletion) -> Result<(), Problem> {
    if deletion == Deletion::DropData {
        app.admin.drop(name).await?;
        app.catalog.note_dropped(name).await?;
    }
    Ok(())
}

/// The part that concerns the state store, and the end of the configuration. Returns whether it is done: a state store that
/// is down is no error, since the deletion is noted.
async fn forget(app: &App, name: &CollectionName, patience: Duration) -> Result<bool, CatalogError> {
    if matches!(app.health.snapshot().state_store, Dependency::Down(_)) {
        return Ok(false);
    }
    match tokio::time::timeout(patience, app.store.forget_collection(name)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::debug!(collection = %name, %error, "the state of a deleted collection is left");
            return Ok(false);
        }
        Err(_elapsed) => return Ok(false),
    }
    app.catalog.end_deletion(name).await?;
    app.bulletin.tell_change(name).await;
    Ok(true)
}
