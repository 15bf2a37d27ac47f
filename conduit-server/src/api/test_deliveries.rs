//! Trying whether destinations take records.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use conduit_core::CollectionName;
use serde::Serialize;

use super::actor::{Action, Actor};
use super::app::App;
use super::body::NoBody;
use super::orders::carry_out;
use super::parameters::OneDestination;
use super::path::Name;
use super::problem::Problem;
use super::steering::check_destination;
use crate::order::{Order, OrderAnswer};
use crate::test_delivery::TestedDestination;

/// What a test came to.
#[derive(Debug, Serialize)]
pub(crate) struct TestAnswer {
    collection_name: CollectionName,
    /// In the order of the configuration.
    destinations: Vec<TestedDestination>,
}

/// Sends a sample record to each destination or to one now, whether the stream is on or not, and whatever its filter says. No
/// position and no counter moves.
#[utoipa::path(
    post, path = "/api/collections/{name}/test", operation_id = "testDestinations", tag = "streams",
    params(("name" = String, Path), ("destination" = Option<String>, Query)),
    responses(
        (status = 200, description = "What came of it.", body = ref("#/components/schemas/Tested")),
        (status = 404, description = "No such collection or destination."),
        (status = 409, description = "It cannot be tried now."),
    )
)]
pub(crate) async fn test(
    State(app): State<App>,
    Name(name): Name,
    OneDestination(destination): OneDestination,
    actor: Actor,
    _: NoBody,
) -> Result<Json<TestAnswer>, Problem> {
    let entry = app.entry(&name).await?;
    if let Some(id) = &destination {
        check_destination(&entry, id)?;
    }
    let all = &entry.config.destinations;
    let found = all
        .iter()
        .find(|known| destination.as_deref() == Some(known.id.as_str()));
    let order = Order::Test {
        destination: found.map(|found| found.id.clone()),
    };
    let collection_name = entry.config.collection_name.clone();
    let destinations = match all.is_empty() {
        true => Vec::new(),
        false => match carry_out(&app, &collection_name, &order).await? {
            Some(OrderAnswer::Tested(tested)) => tested,
            _ => return Err(no_worker()),
        },
    };
    let ids: Vec<_> = destinations.iter().map(|tested| tested.id.clone()).collect();
    actor.audit(Action::Test, &name, &ids, None);
    Ok(Json(TestAnswer {
        collection_name,
        destinations,
    }))
}

fn no_worker() -> Problem {
    let detail = "no worker is there to send it, and nothing was sent: start one, or try again in a moment";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no_worker", detail)
}
