//! The routes.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use conduit_core::{CollectionStatus, Handle};
use conduit_mongo::MongoWatcher;

use super::app::App;
use super::auth::Tokens;
use super::idle::Idle;
use super::openapi::{Document, openapi};
use super::problem::Problem;
use super::{
    auth, availability, body_limit, collections, dead_letters, deletions, doctor, filters, pages, panics,
    pauses, privacy, probes, request_id, rewinds, status, tail, test_deliveries,
};
use crate::bulletin::Bulletin;
use crate::health::Health;
use crate::history::History;
use crate::metrics::Metrics;
use crate::worker::Unusable;

/// This process's own engine, and what belongs to it. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    pub(crate) handle: Handle,
    pub(crate) watcher: MongoWatcher,
    /// The destinations that rest since they cannot be used.
    pub(crate) unusable: Unusable,
}

/// What the probes look at. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Probes {
    pub(crate) health: Health,
    pub(crate) history: History,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) bulletin: Bulletin,
    /// Nothing in a process that has no worker.
    pub(crate) engine: Option<Engine>,
    /// What is configured, where there is an API.
    pub(crate) idle: Option<Idle>,
}

impl Probes {
    /// What this process's worker runs, or, of an API alone, what all workers say.
    pub(crate) async fn collections(&self) -> Vec<CollectionStatus> {
        match &self.engine {
            Some(engine) => engine.unusable.tell(engine.handle.status()),
            None => {
                let statuses = self.bulletin.statuses().await.unwrap_or_default();
                let held = statuses
                    .into_iter()
                    .filter(|(worker, status)| status.holder.as_ref() == Some(worker));
                held.map(|(_, status)| status).collect()
            }
        }
    }

    pub(crate) fn open_streams(&self) -> usize {
        self.engine
            .as_ref()
            .map_or(0, |engine| engine.watcher.open_streams())
    }
}

/// The routes that every role serves.
pub(crate) fn probe_routes(probes: Probes) -> Router {
    Router::new()
        .route("/health", get(probes::health))
        .route("/ready", get(probes::ready))
        .route("/metrics", get(probes::metrics))
        .with_state(probes)
}

/// Everything that the API serves.
pub(crate) fn api_routes(app: App, probes: Probes) -> Router {
    let collection = get(collections::get)
        .put(collections::replace)
        .patch(collections::patch)
        .delete(deletions::delete);
    let stored = Router::new()
        .route(
            "/api/collections",
            get(collections::list).post(collections::create),
        )
        .route("/api/collections/{name}", collection)
        .route("/api/collections/{name}/status", get(status::one))
        .route(
            "/api/collections/{name}/dlq",
            get(dead_letters::list).delete(dead_letters::purge),
        )
        .route("/api/collections/{name}/dlq/redrive", post(dead_letters::redrive))
        .route("/api/collections/{name}/pause", post(pauses::pause))
        .route("/api/collections/{name}/resume", post(pauses::resume))
        .route("/api/collections/{name}/rewind", post(rewinds::rewind))
        .route("/api/collections/{name}/tail", get(tail::tail))
        .route("/api/collections/{name}/test", post(test_deliveries::test))
        .route("/api/status", get(status::all))
        .route_layer(axum::middleware::from_fn_with_state(
            app.clone(),
            availability::check,
        ))
        .with_state(app.clone());
    // Needs nothing that could be away.
    let filters: Router = Router::new().route("/api/filters/test", post(filters::test));
    // Tells what is away, so it asks for nothing to be there.
    let doctor = Router::new()
        .route("/api/doctor", get(doctor::examine))
        .with_state(app.clone());
    let dashboard = pages::dashboard_routes(&app.tokens);
    let pages: Router = Router::new()
        .route("/assets/docs.css", get(pages::docs_style))
        .route("/sign-in", post(pages::sign_in))
        .route("/sign-out", post(pages::sign_out))
        .with_state(app.tokens.clone());
    let document = Document::of(&app.types);
    let documents: Router = Router::new()
        .route("/openapi.json", get(openapi))
        .route("/docs", get(pages::docs))
        .with_state(document);
    let routes = stored
        .merge(filters)
        .merge(doctor)
        .merge(dashboard)
        .merge(documents)
        .merge(pages);
    let routes = with_fallbacks(routes.merge(probe_routes(probes)))
        .layer(axum::middleware::from_fn(body_limit::enforce))
        .layer(axum::middleware::from_fn_with_state(app.tokens, auth::check));
    followed(routes)
}

/// Answers for what is not there.
fn with_fallbacks(routes: Router) -> Router {
    routes
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
}

/// What goes around every request, whatever becomes of it.
fn followed(routes: Router) -> Router {
    routes
        .layer(axum::middleware::from_fn(panics::catch))
        .layer(axum::middleware::map_response(privacy::keep))
        .layer(axum::middleware::from_fn(request_id::give))
}

/// What a worker alone serves. Its metrics name collections, so they need a token where there is one.
pub(crate) fn worker_routes(tokens: Tokens, probes: Probes) -> Router {
    let routes = with_fallbacks(probe_routes(probes))
        .layer(axum::middleware::from_fn(body_limit::enforce))
        .layer(axum::middleware::from_fn_with_state(tokens, auth::check));
    followed(routes)
}

async fn not_found() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "not_found",
        "there is nothing at this path",
    )
}

async fn method_not_allowed() -> Response {
    let detail = "this path does not take this method";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail).into_response()
}
