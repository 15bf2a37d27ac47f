//! The dead letters of a collection.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use conduit_core::{DestinationId, LetterSelection, Redriven};
use serde_json::{Value, json};

use super::actor::{Action, Actor};
use super::app::App;
use super::body::{NoBody, read_optional_json};
use super::orders::{carry_out, no_worker};
use super::parameters::{NoParameters, Page, Selection};
use super::path::Name;
use super::problem::Problem;
use super::steering::{check_destination, stream_disabled};
use crate::catalog::{Faults, Fields, whole_number};
use crate::order::{Order, OrderAnswer};

/// Lists dead letters, oldest first. The cursor is the id of the last one shown.
#[utoipa::path(
    get, path = "/api/collections/{name}/dlq", operation_id = "listDeadLetters", tag = "dead letters",
    params(("name" = String, Path), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses(
        (status = 200, description = "Dead letters.", body = ref("#/components/schemas/DeadLetters")),
        (status = 404, description = "No such collection."),
    )
)]
pub(crate) async fn list(
    State(app): State<App>,
    Name(name): Name,
    Page { limit, after }: Page,
) -> Result<Response, Problem> {
    let entry = app.entry(&name).await?;
    // One more than asked for tells whether there is a next page.
    let mut items = app
        .store
        .dead_letters(&entry.config.collection_name, after, limit + 1)
        .await?;
    let has_more = items.len() > limit;
    items.truncate(limit);
    let last = items.last().filter(|_| has_more).and_then(|item| id_of(item));
    let next_cursor = last.map_or_else(|| "null".to_owned(), |id| format!("\"{id}\""));
    // The stored items are JSON already, and records in them are shown as they are, to the last digit.
    let body = format!(
        "{{\"items\":[{}],\"next_cursor\":{next_cursor}}}",
        items.join(",")
    );
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

fn id_of(item: &str) -> Option<u64> {
    #[derive(serde::Deserialize)]
    struct Item {
        id: u64,
    }
    serde_json::from_str::<Item>(item).ok().map(|item| item.id)
}

/// Sends dead letters again.
#[utoipa::path(
    post, path = "/api/collections/{name}/dlq/redrive", operation_id = "redriveDeadLetters", tag = "dead letters",
    params(("name" = String, Path)),
    request_body(content = ref("#/components/schemas/Redrive"), content_type = "application/json"),
    responses(
        (status = 202, description = "They wait to be sent again.", body = ref("#/components/schemas/Redriven")),
        (status = 404, description = "No such collection or destination."),
        (status = 409, description = "The stream is off, or a destination rests."),
    )
)]
pub(crate) async fn redrive(
    State(app): State<App>,
    Name(name): Name,
    _: NoParameters,
    actor: Actor,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (selection, include_stale) = read_redrive(read_optional_json(&headers, body).await?)?;
    let entry = app.entry(&name).await?;
    if !entry.is_active() {
        return Err(stream_disabled());
    }
    if let Some(destination) = &selection.destination {
        check_destination(&entry, destination.as_str())?;
    }
    let destination: Vec<DestinationId> = selection.destination.iter().cloned().collect();
    let order = Order::Redrive {
        selection,
        include_stale,
    };
    let answer = match entry.config.destinations.is_empty() {
        // Nobody has them in hand, and there is nowhere to send them to.
        true => Some(OrderAnswer::Redriven(Redriven::default())),
        false => carry_out(&app, &entry.config.collection_name, &order).await?,
    };
    match answer {
        Some(OrderAnswer::Redriven(redriven)) => {
            actor.audit(Action::Redrive, &name, &destination, None);
            Ok((StatusCode::ACCEPTED, Json(redriven)).into_response())
        }
        _ => Err(no_worker()),
    }
}

fn read_redrive(body: Value) -> Result<(LetterSelection, bool), Faults> {
    let mut faults = Faults::default();
    let Some(mut fields) = Fields::of(body, "", &mut faults) else {
        return Err(faults);
    };
    let destination = fields.string("destination").and_then(|text| {
        let id = DestinationId::new(text);
        id.map_err(|_| fields.fault("destination", "is no id of a destination"))
            .ok()
    });
    let ids = fields.array("ids").map(|values| {
        if values.is_empty() {
            fields.fault("ids", "cannot be empty: leave it out for all");
        }
        let read = |(index, value): (usize, Value)| {
            let id = whole_number(&value);
            if id.is_none() {
                fields.fault(
                    &format!("ids[{index}]"),
                    "must be the id of a dead letter, a number",
                );
            }
            id
        };
        values.into_iter().enumerate().filter_map(read).collect()
    });
    let include_stale = fields.boolean("include_stale", false);
    fields.finish("ids, destination, include_stale");
    faults.or((LetterSelection { destination, ids }, include_stale))
}

/// Drops dead letters.
#[utoipa::path(
    delete, path = "/api/collections/{name}/dlq", operation_id = "purgeDeadLetters", tag = "dead letters",
    params(("name" = String, Path), ("destination" = Option<String>, Query), ("ids" = Option<Vec<u64>>, Query)),
    responses(
        (status = 200, description = "They are gone.", body = ref("#/components/schemas/Purged")),
        (status = 404, description = "No such collection."),
        (status = 409, description = "A destination rests."),
    )
)]
pub(crate) async fn purge(
    State(app): State<App>,
    Name(name): Name,
    Selection(selection): Selection,
    actor: Actor,
    _: NoBody,
) -> Result<Json<Value>, Problem> {
    let entry = app.entry(&name).await?;
    let collection = &entry.config.collection_name;
    let order = Order::Purge {
        selection: selection.clone(),
    };
    let has_streams = entry.is_active() && !entry.config.destinations.is_empty();
    let is_run = has_streams && (app.engine.is_some() || !app.bulletin.published().await?.is_empty());
    let answer = match is_run {
        true => carry_out(&app, collection, &order).await?,
        false => None,
    };
    let purged = match answer {
        Some(OrderAnswer::Purged(purged)) => purged,
        // Nobody works with them.
        _ => app.store.purge_dead_letters(collection, &selection).await?,
    };
    let destination: Vec<DestinationId> = selection.destination.into_iter().collect();
    actor.audit(Action::Purge, &name, &destination, None);
    Ok(Json(json!({ "purged": purged })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(body: Value) -> Vec<String> {
        read_redrive(body).unwrap_err().places()
    }

    #[test]
    fn a_redrive_is_of_all_of_some_or_of_one_destination() {
        let (all, stale) = read_redrive(json!({})).unwrap();
        assert_eq!((all, stale), (LetterSelection::default(), false));
        let (some, stale) = read_redrive(json!({"ids": [3, 1], "include_stale": true})).unwrap();
        assert_eq!((some.ids, stale), (Some(vec![3, 1]), true));
        let (one, _) = read_redrive(json!({"destination": "d"})).unwrap();
        assert_eq!(one.destination, DestinationId::new("d").ok());
    }

    #[test]
    fn whatever_else_a_redrive_says_is_a_fault_at_its_place() {
        assert_eq!(
            places(json!({"ids": [1, "2"], "destination": "A b", "include_stale": 1, "all": true})),
            ["destination", "ids[1]", "include_stale", "all"]
        );
        assert_eq!(places(json!({"ids": []})), ["ids"]);
        assert_eq!(places(json!([])), ["(body)"]);
    }
}
