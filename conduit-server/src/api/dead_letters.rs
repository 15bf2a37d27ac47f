//! The dead letters of a collection.

use std::collections::HashMap;

use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::app::App;
use super::problem::Problem;
use crate::catalog::Faults;

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

/// Lists dead letters, oldest first. The cursor is the id of the last one shown.
pub(crate) async fn list(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Problem> {
    let (after, limit) = read_page(&query)?;
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

fn read_page(query: &HashMap<String, String>) -> Result<(Option<u64>, usize), Problem> {
    let mut faults = Faults::default();
    let limit = match query.get("limit").map(|text| text.parse::<usize>()) {
        None => DEFAULT_LIMIT,
        Some(Ok(limit)) if (1..=MAX_LIMIT).contains(&limit) => limit,
        Some(_) => {
            faults.add("limit", format!("must be a whole number from 1 to {MAX_LIMIT}"));
            DEFAULT_LIMIT
        }
    };
    let after = match query.get("cursor").map(|text| text.parse::<u64>()) {
        None => None,
        Some(Ok(after)) => Some(after),
        Some(Err(_)) => {
            faults.add("cursor", "must be the next_cursor of an earlier answer");
            None
        }
    };
    if faults.is_empty() {
        Ok((after, limit))
    } else {
        Err(faults.into())
    }
}

fn id_of(item: &str) -> Option<u64> {
    #[derive(serde::Deserialize)]
    struct Item {
        id: u64,
    }
    serde_json::from_str::<Item>(item).ok().map(|item| item.id)
}
