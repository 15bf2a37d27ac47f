//! Looking on at a collection's records.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;

use super::app::App;
use super::parameters::Followed;
use super::path::Name;
use super::problem::Problem;
use super::steering::check_destination;
use crate::tail::{Attendant, MAX_READERS, Reader};

/// Proxies that gather an answer before they pass it on let this one through.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Shows records and what becomes of them as it happens.
///
/// `open` comes first, then `record` for each record and destination, and `missed` with a count where the reader is too slow.
#[utoipa::path(
    get, path = "/api/collections/{name}/tail", operation_id = "tailCollection", tag = "streams",
    params(
        ("name" = String, Path), ("event_types" = Option<Vec<String>>, Query), ("destination" = Option<String>, Query)
    ),
    responses(
        (status = 200, description = "Server-sent events, until the client leaves.", content_type = "text/event-stream", body = String),
        (status = 404, description = "No such collection or destination."),
        (status = 429, description = "Too many look on already."),
    )
)]
pub(crate) async fn tail(
    State(app): State<App>,
    Name(name): Name,
    Followed(wanted): Followed,
) -> Result<Response, Problem> {
    let entry = app.entry(&name).await?;
    if let Some(destination) = &wanted.destination {
        check_destination(&entry, destination.as_str())?;
    }
    let collection = entry.config.collection_name;
    let following = app.tails.read(&collection, wanted).ok_or_else(too_many)?;
    let attendant = Attendant {
        tails: app.tails.clone(),
        catalog: app.catalog,
        bulletin: app.bulletin,
        engine: app.engine,
        collection: collection.clone(),
        queue: following.queue.clone(),
        is_open: watch::Sender::new(false),
    };
    let reader = Reader {
        tails: app.tails,
        collection,
        following,
    };
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        (ACCEL_BUFFERING, "no"),
    ];
    Ok((headers, Body::from_stream(reader.into_stream(attendant))).into_response())
}

fn too_many() -> Problem {
    let detail = format!("{MAX_READERS} readers look on at records of this server already: end one of them");
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_tails", detail)
}
