//! What a change of the configuration would do, without doing it.

use std::collections::HashMap;

use axum::Json;
use axum::response::{IntoResponse, Response};
use conduit_core::SubscriptionId;
use serde::Serialize;
use serde_json::Value;

use super::app::App;
use super::collections::read_next;
use super::precondition::IfMatch;
use super::problem::Problem;
use crate::catalog::{Change, CollectionConfig, Comparison, Consequence, Entry};

/// The answer to a dry run. Everything was checked as for the real request but what only shows when it is done, such as
/// documents with the same key.
#[derive(Debug, Serialize)]
pub(crate) struct DryRun {
    action: Action,
    /// The version of the configuration that it was compared with, as the `ETag` has it; `null` of a creation.
    version: Option<i64>,
    /// What would be stored, as GET would show it.
    config: Value,
    /// The fields that differ. Secrets are masked and compared as they are.
    changes: Vec<Change>,
    /// What would be done to the collection in MongoDB, in order.
    steps: Vec<String>,
    consequences: Vec<Consequence>,
    /// Whether undelivered records would vanish: refused without `discard=true`.
    needs_discard: bool,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Create,
    Change,
    Unchanged,
}

pub(super) async fn of_creation(app: &App, config: &CollectionConfig) -> Result<Json<Value>, Problem> {
    answer(app, None, config).await
}

pub(super) async fn of_update(
    app: &App,
    name: &str,
    (if_match, filters): (&IfMatch, &[Option<String>]),
    next: impl Fn(&Entry) -> Result<Value, Problem>,
) -> Result<Response, Problem> {
    let (old, config) = read_next(app, name, filters, next).await?;
    if_match.check(&old)?;
    Ok(answer(app, Some(&old), &config).await?.into_response())
}

async fn answer(app: &App, old: Option<&Entry>, new: &CollectionConfig) -> Result<Json<Value>, Problem> {
    let changes = Change::all(old.map(|old| &old.config), new);
    let steps = app.preview(new).await?;
    let known: Vec<SubscriptionId> = match old {
        // The state store need not be there where it has nothing to say.
        Some(old) if !changes.is_empty() => {
            let destinations = old.config.destinations.iter();
            destinations.map(|one| old.config.subscription(one)).collect()
        }
        _ => Vec::new(),
    };
    let lengths = app.store.lengths(&known).await?;
    let lengths: HashMap<_, _> = known.into_iter().map(|id| id.destination).zip(lengths).collect();
    let comparison = Comparison {
        old: old.map(|old| &old.config),
        new,
        lengths: &lengths,
        types: &app.types,
    };
    let action = match old {
        None => Action::Create,
        Some(_) if changes.is_empty() && steps.is_empty() => Action::Unchanged,
        Some(_) => Action::Change,
    };
    let answer = DryRun {
        action,
        version: old.map(|old| old.version),
        config: new.show(),
        changes,
        steps,
        consequences: comparison.consequences(),
        needs_discard: comparison.needs_discard(),
    };
    serde_json::to_value(answer).map(Json).map_err(|error| {
        // Plain data with text for names has JSON.
        Problem::new(
            axum::http::StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            error.to_string(),
        )
    })
}
