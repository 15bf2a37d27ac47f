//! How collections and their destinations do.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use conduit_core::{
    CollectionStatus, QueueLengths, SubscriptionId, SubscriptionPhase, SubscriptionStatus, WallTime, WorkerId,
};
use conduit_mongo::OplogWindow;
use serde_json::{Value, json};

use super::app::App;
use super::parameters::NoParameters;
use super::path::Name;
use super::problem::Problem;
use crate::catalog::{Destination, Entry};
use crate::history::{left, warnings};
use crate::timestamp::rfc3339;

/// Why a stream that is to be paused is not quite yet.
const DRAINING: &str = "what is in hand is being finished";

/// Shows how all collections do.
#[utoipa::path(
    get, path = "/api/status", operation_id = "getStatuses", tag = "status",
    responses(
        (status = 200, description = "All collections, sorted by name.", body = ref("#/components/schemas/CollectionStatusList")),
    )
)]
pub(crate) async fn all(State(app): State<App>, _: NoParameters) -> Result<Json<Vec<Value>>, Problem> {
    let mut entries = app.catalog.list().await?;
    entries.retain(|entry| entry.deleting.is_none());
    show_all(&app, &entries).await.map(Json)
}

/// Shows how a collection and its destinations do.
#[utoipa::path(
    get, path = "/api/collections/{name}/status", operation_id = "getStatus", tag = "status",
    params(("name" = String, Path)),
    responses(
        (status = 200, description = "How it does.", body = ref("#/components/schemas/CollectionStatus")),
        (status = 404, description = "No such collection."),
    )
)]
pub(crate) async fn one(
    State(app): State<App>,
    Name(name): Name,
    _: NoParameters,
) -> Result<Json<Value>, Problem> {
    let entry = app.entry(&name).await?;
    let shown = show_all(&app, std::slice::from_ref(&entry)).await?;
    Ok(Json(shown.into_iter().next().unwrap_or_default()))
}

/// Shows a collection whose configuration was changed just now; as far as it is known, since the change stands whatever
/// else is down.
pub(super) async fn after_change(app: &App, entry: &Entry) -> Value {
    if let Ok(shown) = show_all(app, std::slice::from_ref(entry)).await {
        return shown.into_iter().next().unwrap_or_default();
    }
    let known = Known {
        lengths: HashMap::new(),
        has_worker: app.role.has_worker(),
        oplog: None,
    };
    show(&View::of(entry, &[]), &known)
}

/// Shows collections; the queues of destinations that no worker speaks of are looked up in one trip for all.
async fn show_all(app: &App, entries: &[Entry]) -> Result<Vec<Value>, Problem> {
    let published = app.bulletin.published().await?;
    let has_worker = app.role.has_worker() || !published.is_empty();
    let of_worker = |(worker, own): (WorkerId, Vec<CollectionStatus>)| {
        own.into_iter().map(move |status| (worker.clone(), status))
    };
    let statuses: Vec<(WorkerId, CollectionStatus)> = published.into_iter().flat_map(of_worker).collect();
    let views: Vec<View<'_>> = entries.iter().map(|entry| View::of(entry, &statuses)).collect();
    let unknown: Vec<SubscriptionId> = views.iter().flat_map(View::unknown).collect();
    let lengths = app.store.lengths(&unknown).await?;
    let known = Known {
        lengths: unknown.into_iter().zip(lengths).collect(),
        has_worker,
        oplog: app.history.window(),
    };
    Ok(views.iter().map(|view| show(view, &known)).collect())
}

/// What is known besides what workers say.
struct Known {
    /// The queues of destinations that no worker speaks of.
    lengths: HashMap<SubscriptionId, QueueLengths>,
    has_worker: bool,
    oplog: Option<OplogWindow>,
}

/// A collection, and what the worker that knows best says of it.
struct View<'a> {
    entry: &'a Entry,
    holder: Option<&'a WorkerId>,
    status: Option<&'a CollectionStatus>,
}

impl<'a> View<'a> {
    fn of(entry: &'a Entry, statuses: &'a [(WorkerId, CollectionStatus)]) -> Self {
        let name = &entry.config.collection_name;
        let ours = || statuses.iter().filter(|(_, status)| status.collection == *name);
        // Of several workers the one that holds the lease knows; the others only wait.
        let holder = ours().find(|(worker, status)| status.holder.as_ref() == Some(worker));
        let status = holder.or_else(|| ours().next()).map(|(_, status)| status);
        Self {
            entry,
            holder: holder.map(|(worker, _)| worker),
            status,
        }
    }

    fn find(&self, destination: &Destination) -> Option<&'a SubscriptionStatus> {
        self.status?
            .destinations
            .iter()
            .find(|known| known.id == destination.id)
    }

    /// The destinations that no worker speaks of.
    fn unknown(&self) -> impl Iterator<Item = SubscriptionId> {
        let config = &self.entry.config;
        let unknown = config
            .destinations
            .iter()
            .filter(|destination| self.find(destination).is_none());
        unknown.map(|destination| config.subscription(destination))
    }
}

fn show(view: &View<'_>, known: &Known) -> Value {
    let entry = view.entry;
    let name = &entry.config.collection_name;
    let destinations = entry
        .config
        .destinations
        .iter()
        .map(|destination| match view.find(destination) {
            Some(status) if entry.is_active() => {
                show_running(destination, status, entry.is_paused(&destination.id), known.oplog)
            }
            Some(status) => {
                let lengths = QueueLengths {
                    waiting: status.retry_length,
                    dead: status.dlq_length,
                };
                show_idle(entry, destination, lengths, known.has_worker)
            }
            None => {
                let lengths = known
                    .lengths
                    .get(&entry.config.subscription(destination))
                    .copied();
                show_idle(entry, destination, lengths.unwrap_or_default(), known.has_worker)
            }
        });
    json!({
        "collection_name": name,
        "stream_enabled": entry.config.stream_enabled,
        "worker": view.holder.map(WorkerId::short),
        "destinations": destinations.collect::<Vec<Value>>(),
    })
}

fn show_running(
    destination: &Destination,
    status: &SubscriptionStatus,
    is_paused: bool,
    oplog: Option<OplogWindow>,
) -> Value {
    use SubscriptionPhase::{CatchingUp, Halted, Holding, Paused, Starting, Streaming, WaitingForLease};
    let reason = status.reason.as_deref();
    // The worker follows what is wanted a moment later.
    let (state, reason) = match (status.phase, is_paused) {
        (Starting | Streaming | CatchingUp | Holding, true) => ("paused", Some(DRAINING)),
        (Starting, false) => ("starting", reason),
        (Streaming, false) => ("streaming", reason),
        (CatchingUp, false) => ("catching_up", reason),
        (Holding, false) => ("holding", reason),
        (Paused, true) => ("paused", reason),
        (Paused, false) => ("starting", None),
        (WaitingForLease, _) => ("waiting_for_lease", reason),
        (Halted, _) => ("halted", reason),
    };
    let time = |time: Option<WallTime>| time.map(rfc3339);
    let mut shown = json!({
        "id": destination.id, "type": destination.kind, "state": state, "reason": reason,
        "since": rfc3339(status.since), "lag_seconds": status.lag_seconds, "position_time": time(status.position_time),
        "delivered": status.delivered, "filtered": status.filtered, "retried": status.retried,
        "dead_lettered": status.dead_lettered, "retry_length": status.retry_length, "dlq_length": status.dlq_length,
        "rate": status.rate, "last_error": status.last_error, "last_error_time": time(status.last_error_time),
        "history_seconds_left": left(status, oplog).map(|left| left.as_secs()), "warnings": warnings(status, oplog),
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
        (true, _) if entry.is_paused(&destination.id) => ("paused", None),
        (true, true) => ("starting", None),
        (true, false) => ("starting", Some("no worker is running")),
    };
    json!({
        "id": destination.id, "type": destination.kind, "state": state, "reason": reason, "since": null,
        "position_time": null, "delivered": 0, "filtered": 0, "retried": 0, "dead_lettered": 0,
        "retry_length": lengths.waiting, "dlq_length": lengths.dead, "rate": 0.0, "last_error": null,
        "last_error_time": null, "history_seconds_left": null, "warnings": [],
    })
}
