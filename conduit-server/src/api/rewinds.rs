//! Has streams deliver again from a time on.

use std::collections::HashMap;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use conduit_core::{ClusterTime, DestinationId, Position, WatchError, WatchErrorKind, Watcher};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::actor::{Action, Actor};
use super::app::App;
use super::body::read_json;
use super::parameters::NoParameters;
use super::path::Name;
use super::problem::Problem;
use super::steering::{Change, meant, steer};
use crate::catalog::{Entry, Faults, Fields};
use crate::timestamp::rfc3339;

/// How long opening a stream may take until it is clear that the history is there: a stream of which it is gone fails at
/// once.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a rewind goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Now,
    At(Timestamp),
}

/// Has streams deliver again from a time on, also what was delivered before.
#[utoipa::path(
    post, path = "/api/collections/{name}/rewind", operation_id = "rewindStreams", tag = "streams",
    params(("name" = String, Path)),
    request_body(content = ref("#/components/schemas/Rewind"), content_type = "application/json"),
    responses(
        (status = 202, description = "It is noted; the worker follows.", body = ref("#/components/schemas/Rewound")),
        (status = 404, description = "No such collection or destination."),
        (status = 409, description = "The stream is off, MongoDB's history no longer reaches back to that time, or somebody else changed it."),
    )
)]
pub(crate) async fn rewind(
    State(app): State<App>,
    Name(name): Name,
    _: NoParameters,
    actor: Actor,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (target, destination) = read_rewind(read_json(&headers, body).await?)?;
    let entry = app.entry(&name).await?;
    meant(&entry, destination.as_deref())?;
    let now = app.watcher.now().await.map_err(|error| unreachable(&error))?;
    let to = match target {
        // After everything that happened.
        Target::Now => ClusterTime::new(now.t, now.i.saturating_add(1)),
        Target::At(time) => {
            // Before everything of that second; MongoDB's history begins after 1970.
            let second = u32::try_from(time.as_second().max(1)).unwrap_or(u32::MAX);
            if second > now.t {
                return Err(Faults::of("to", "is in the future").into());
            }
            let to = ClusterTime::new(second, 0);
            check_history(&app, &entry, to).await?;
            to
        }
    };
    let applied = applied(&app, &name).await;
    let change = Change::Rewound { to, applied };
    let (entry, meant) = steer(&app, &name, destination.as_deref(), &change).await?;
    actor.audit(Action::Rewind, &name, &meant, Some(entry.version));
    let answer = json!({
        "collection_name": name, "destinations": meant, "to": rfc3339(to.wall_time()),
    });
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

fn read_rewind(body: Value) -> Result<(Target, Option<String>), Faults> {
    const WANTED: &str = "must be an RFC 3339 time such as \"2026-01-01T00:00:00Z\", or \"now\"";
    let mut faults = Faults::default();
    let Some(mut fields) = Fields::of(body, "", &mut faults) else {
        return Err(faults);
    };
    let is_given = fields.has("to");
    let target = match fields.string("to").as_deref() {
        Some("now") => Some(Target::Now),
        Some(text) => match text.parse() {
            Ok(time) => Some(Target::At(time)),
            Err(_) => {
                fields.fault("to", WANTED);
                None
            }
        },
        None if is_given => None,
        None => {
            fields.fault("to", format!("is required: it {WANTED}"));
            None
        }
    };
    let destination = fields.string("destination");
    fields.finish("to, destination");
    // Without a target there is a fault.
    faults.or((target.unwrap_or(Target::Now), destination))
}

/// Opens a stream at a time, as the worker will, to see whether MongoDB still can.
async fn check_history(app: &App, entry: &Entry, to: ClusterTime) -> Result<(), Problem> {
    let (targets, position) = ([entry.config.target()], Position::at_time(to));
    match timeout(PATIENCE, app.watcher.open(&targets, &position)).await {
        // It looks for a first change in a long history.
        Ok(Ok(_)) | Err(_) => Ok(()),
        Ok(Err(error)) if error.kind() == WatchErrorKind::HistoryLost => {
            let detail = "MongoDB's oplog no longer holds the changes since that time; nothing was changed";
            Err(Problem::conflict("history_lost", detail))
        }
        Ok(Err(error)) => Err(unreachable(&error)),
    }
}

fn unreachable(error: &WatchError) -> Problem {
    let source = std::error::Error::source(error).map(ToString::to_string);
    tracing::warn!(%error, source, "a request failed");
    Problem::unavailable(format!("MongoDB cannot do it now: {error}"))
}

/// How often the workers know the streams of a collection to have been moved.
async fn applied(app: &App, name: &str) -> HashMap<DestinationId, u64> {
    let statuses = app.bulletin.statuses().await.unwrap_or_default();
    let mut applied = HashMap::new();
    for (_, status) in statuses
        .iter()
        .filter(|(_, status)| status.collection.as_str() == name)
    {
        for destination in &status.destinations {
            let known = applied.entry(destination.id.clone()).or_insert(0);
            *known = destination.generation.max(*known);
        }
    }
    applied
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(body: Value) -> Vec<String> {
        read_rewind(body).unwrap_err().places()
    }

    #[test]
    fn a_rewind_goes_to_now_or_to_a_time_with_its_zone() {
        assert_eq!(read_rewind(json!({"to": "now"})), Ok((Target::Now, None)));
        let utc: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        for text in [
            "2026-01-01T00:00:00Z",
            "2026-01-01T02:00:00.000+02:00",
            "2026-01-01t00:00:00z",
        ] {
            let read = read_rewind(json!({"to": text, "destination": "d"}));
            assert_eq!(read, Ok((Target::At(utc), Some("d".into()))), "{text}");
        }
    }

    #[test]
    fn anything_else_is_a_fault_at_its_place() {
        for to in [
            json!("2026-01-01"),
            json!("2026-01-01T00:00:00"),
            json!("yesterday"),
            json!(1),
        ] {
            assert_eq!(places(json!({"to": to})), ["to"], "{to}");
        }
        assert_eq!(
            places(json!({"destination": 1, "from": 2})),
            ["to", "destination", "from"]
        );
    }
}
