//! Health, readiness, metrics.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use conduit_core::{CollectionStatus, SubscriptionPhase};
use serde_json::{Value, json};

use super::problem::Problem;
use super::service::Probes;
use crate::state_metrics::States;

/// Answers 200 while the process lives.
#[utoipa::path(
    get, path = "/health", operation_id = "getHealth", tag = "server",
    responses(
        (status = 200, description = "It lives.", body = ref("#/components/schemas/Health")),
    )
)]
pub(crate) async fn health(State(probes): State<Probes>) -> Json<Value> {
    let state = probes.health.snapshot();
    let watchers = probes.collections().await;
    let all = || watchers.iter().flat_map(|collection| &collection.destinations);
    let active = all()
        .filter(|status| status.phase == SubscriptionPhase::Streaming)
        .count();
    Json(json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "mongodb": state.mongodb,
        "state_store": state.state_store,
        "watchers": { "active": active, "total": all().count() },
    }))
}

/// Answers 200 when the server can do its work, else 503 with why.
#[utoipa::path(
    get, path = "/ready", operation_id = "getReady", tag = "server",
    responses(
        (status = 200, description = "It can do its work.", body = ref("#/components/schemas/Ready")),
        (status = 503, description = "It cannot, and why."),
    )
)]
pub(crate) async fn ready(State(probes): State<Probes>) -> Response {
    let obstacles = probes.health.obstacles();
    if obstacles.is_empty() {
        return Json(json!({ "status": "ready" })).into_response();
    }
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", obstacles.join("; ")).into_response()
}

/// Shows metrics as Prometheus reads them.
#[utoipa::path(
    get, path = "/metrics", operation_id = "getMetrics", tag = "server",
    responses(
        (status = 200, description = "Metrics.", content_type = "text/plain", body = String),
    )
)]
pub(crate) async fn metrics(State(probes): State<Probes>) -> Response {
    let collections: Vec<CollectionStatus> = probes.collections().await;
    let idle = match &probes.idle {
        Some(idle) => idle.destinations(&probes.health, &collections).await,
        None => Vec::new(),
    };
    let states = States {
        collections: &collections,
        idle: &idle,
        open_streams: probes.open_streams(),
        oplog: probes.history.window(),
    };
    match probes.metrics.render(&states) {
        Ok(text) => (
            [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
            text,
        )
            .into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "the metrics cannot be written",
            )
            .into_response()
        }
    }
}
