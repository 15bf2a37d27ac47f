//! Pauses streams, and lets them go on.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use conduit_core::{DestinationId, SubscriptionPhase};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::actor::{Action, Actor};
use super::app::App;
use super::body::NoBody;
use super::parameters::OneDestination;
use super::path::Name;
use super::problem::Problem;
use super::status;
use super::steering::{Change, steer};
use crate::catalog::Entry;

/// How long the worker may take to follow before the answer says what it is doing still.
const PATIENCE: Duration = Duration::from_secs(5);
const INTERVAL: Duration = Duration::from_millis(50);

/// Pauses a stream, or all of a collection. The position is kept.
#[utoipa::path(
    post, path = "/api/collections/{name}/pause", operation_id = "pauseStreams", tag = "streams",
    params(("name" = String, Path), ("destination" = Option<String>, Query)),
    responses(
        (status = 200, description = "How it does now.", body = ref("#/components/schemas/CollectionStatus")),
        (status = 404, description = "No such collection or destination."),
        (status = 409, description = "The stream is off, or somebody else changed it."),
    )
)]
pub(crate) async fn pause(
    State(app): State<App>,
    Name(name): Name,
    OneDestination(destination): OneDestination,
    actor: Actor,
    _: NoBody,
) -> Result<Json<Value>, Problem> {
    set_paused((&app, &actor), &name, destination.as_deref(), true).await
}

/// Ends a pause: the stream goes on where it stood.
#[utoipa::path(
    post, path = "/api/collections/{name}/resume", operation_id = "resumeStreams", tag = "streams",
    params(("name" = String, Path), ("destination" = Option<String>, Query)),
    responses(
        (status = 200, description = "How it does now.", body = ref("#/components/schemas/CollectionStatus")),
        (status = 404, description = "No such collection or destination."),
        (status = 409, description = "The stream is off, or somebody else changed it."),
    )
)]
pub(crate) async fn resume(
    State(app): State<App>,
    Name(name): Name,
    OneDestination(destination): OneDestination,
    actor: Actor,
    _: NoBody,
) -> Result<Json<Value>, Problem> {
    set_paused((&app, &actor), &name, destination.as_deref(), false).await
}

async fn set_paused(
    (app, actor): (&App, &Actor),
    name: &str,
    destination: Option<&str>,
    is_paused: bool,
) -> Result<Json<Value>, Problem> {
    let (entry, meant) = steer(app, name, destination, &Change::Paused(is_paused)).await?;
    let action = if is_paused { Action::Pause } else { Action::Resume };
    actor.audit(action, name, &meant, Some(entry.version));
    until_followed(app, &entry, &meant, is_paused).await;
    Ok(Json(status::after_change(app, &entry).await))
}

/// Waits until the worker that holds the collection does what is wanted, but not long: a call in hand may take its time.
async fn until_followed(app: &App, entry: &Entry, meant: &[DestinationId], is_paused: bool) {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        // Where nobody is there to follow there is nothing to wait for.
        let Ok(published) = app.bulletin.published().await else {
            return;
        };
        if published.is_empty() && app.engine.is_none() {
            return;
        }
        let name = &entry.config.collection_name;
        let holder = published.iter().find_map(|(worker, own)| {
            own.iter()
                .find(|status| status.collection == *name && status.holder.as_ref() == Some(worker))
        });
        let follows = |id: &DestinationId| {
            let known = holder.and_then(|status| status.destinations.iter().find(|known| known.id == *id));
            known.is_some_and(|known| (known.phase == SubscriptionPhase::Paused) == is_paused)
        };
        if meant.iter().all(follows) {
            return;
        }
        sleep(INTERVAL).await;
    }
}
