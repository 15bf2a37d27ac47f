//! How collections and their destinations do.

use axum::Json;
use axum::extract::State;
use conduit_core::{
    CollectionStatus, DestinationId, QueueLengths, SubscriptionId, SubscriptionPhase, SubscriptionStatus,
    WallTime, WorkerId,
};
use serde_json::{Value, json};

use super::app::App;
use super::path::Name;
use super::problem::Problem;
use crate::catalog::{Destination, Entry};
use crate::timestamp::rfc3339;

pub(crate) async fn all(State(app): State<App>) -> Result<Json<Vec<Value>>, Problem> {
    let entries = app.catalog.list().await?;
    let statuses = app.bulletin.statuses().await?;
    let mut shown = Vec::new();
    for entry in entries.iter().filter(|entry| entry.deleting.is_none()) {
        shown.push(show(&app, entry, &statuses).await?);
    }
    Ok(Json(shown))
}

pub(crate) async fn one(State(app): State<App>, Name(name): Name) -> Result<Json<Value>, Problem> {
    let entry = app.entry(&name).await?;
    let statuses = app.bulletin.statuses().await?;
    Ok(Json(show(&app, &entry, &statuses).await?))
}

async fn show(app: &App, entry: &Entry, statuses: &[(WorkerId, CollectionStatus)]) -> Result<Value, Problem> {
    let name = &entry.config.collection_name;
    let ours = || statuses.iter().filter(|(_, status)| status.collection == *name);
    // Of several workers the one that holds the lease knows; the others only wait.
    let holder = ours().find(|(worker, status)| status.holder.as_ref() == Some(worker));
    let known = holder.or_else(|| ours().next()).map(|(_, status)| status);
    let find = |id: &DestinationId| {
        known.and_then(|status| status.destinations.iter().find(|known| known.id == *id))
    };
    let missing: Vec<SubscriptionId> = entry
        .config
        .destinations
        .iter()
        .filter(|destination| find(&destination.id).is_none())
        .map(|destination| SubscriptionId {
            collection: name.clone(),
            destination: destination.id.clone(),
        })
        .collect();
    let has_worker = app.role.has_worker() || !statuses.is_empty();
    let mut lengths = app.store.lengths(&missing).await?.into_iter();
    let destinations = entry
        .config
        .destinations
        .iter()
        .map(|destination| match find(&destination.id) {
            Some(status) if entry.is_active() => show_running(destination, status),
            Some(status) => {
                let lengths = QueueLengths {
                    waiting: status.retry_length,
                    dead: status.dlq_length,
                };
                show_idle(entry, destination, lengths, has_worker)
            }
            None => show_idle(entry, destination, lengths.next().unwrap_or_default(), has_worker),
        });
    Ok(json!({
        "collection_name": name,
        "stream_enabled": entry.config.stream_enabled,
        "worker": holder.map(|(worker, _)| worker.short()),
        "destinations": destinations.collect::<Vec<Value>>(),
    }))
}

fn show_running(destination: &Destination, status: &SubscriptionStatus) -> Value {
    let state = match status.phase {
        SubscriptionPhase::Starting => "starting",
        SubscriptionPhase::Streaming => "streaming",
        SubscriptionPhase::CatchingUp => "catching_up",
        SubscriptionPhase::WaitingForLease => "waiting_for_lease",
        SubscriptionPhase::Halted => "halted",
    };
    let time = |time: Option<WallTime>| time.map(rfc3339);
    let mut shown = json!({
        "id": destination.id, "type": destination.kind, "state": state, "reason": status.reason,
        "since": rfc3339(status.since), "lag_seconds": status.lag_seconds, "position_time": time(status.position_time),
        "delivered": status.delivered, "filtered": status.filtered, "retried": status.retried,
        "dead_lettered": status.dead_lettered, "retry_length": status.retry_length, "dlq_length": status.dlq_length,
        "rate": status.rate, "last_error": status.last_error, "last_error_time": time(status.last_error_time),
    });
    // Lag is absent until it is known.
    if status.lag_seconds.is_none()
        && let Some(object) = shown.as_object_mut()
    {
        object.shift_remove("lag_seconds");
    }
    shown
}

/// A destination that no worker speaks of.
fn show_idle(entry: &Entry, destination: &Destination, lengths: QueueLengths, has_worker: bool) -> Value {
    let (state, reason) = match (entry.is_active(), has_worker) {
        (false, _) => ("disabled", None),
        (true, true) => ("starting", None),
        (true, false) => ("starting", Some("no worker is running")),
    };
    json!({
        "id": destination.id, "type": destination.kind, "state": state, "reason": reason, "since": null,
        "position_time": null, "delivered": 0, "filtered": 0, "retried": 0, "dead_lettered": 0,
        "retry_length": lengths.waiting, "dlq_length": lengths.dead, "rate": 0.0, "last_error": null,
        "last_error_time": null,
    })
}
