//! The dead letters of a collection.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::app::App;
use super::parameters::Page;
use super::path::Name;
use super::problem::Problem;

/// Lists dead letters, oldest first. The cursor is the id of the last one shown.
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
