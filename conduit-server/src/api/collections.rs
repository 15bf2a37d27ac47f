//! Collections: create, read, update, delete.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use conduit_core::{DestinationId, LetterSelection, SubscriptionId};
use serde_json::Value;

use super::actor::{Action, Actor};
use super::app::App;
use super::body::{ConfigBody, merge, read_config};
use super::dry_run;
use super::parameters::{Create, NoParameters, Update};
use super::path::Name;
use super::precondition::{IfMatch, versioned};
use super::problem::Problem;
use crate::catalog::{CatalogError, CollectionConfig, Entry, Faults};

/// How often an update is tried again when another process wrote at the same time.
const MAX_TRIES: usize = 20;

/// Lists all collections, sorted by name.
#[utoipa::path(
    get, path = "/api/collections", operation_id = "listCollections", tag = "collections",
    responses(
        (status = 200, description = "All collections.", body = ref("#/components/schemas/CollectionList")),
    )
)]
pub(crate) async fn list(State(app): State<App>, _: NoParameters) -> Result<Json<Vec<Value>>, Problem> {
    let entries = app.catalog.list().await?;
    let shown = entries
        .iter()
        .filter(|entry| entry.deleting.is_none())
        .map(|entry| entry.config.show());
    Ok(Json(shown.collect()))
}

/// Shows one collection.
#[utoipa::path(
    get, path = "/api/collections/{name}", operation_id = "getCollection", tag = "collections",
    params(("name" = String, Path)),
    responses(
        (status = 200, description = "The collection.", body = ref("#/components/schemas/Collection"), headers(("ETag" = String, description = "The version."))),
        (status = 404, description = "No such collection."),
    )
)]
pub(crate) async fn get(
    State(app): State<App>,
    Name(name): Name,
    _: NoParameters,
) -> Result<Response, Problem> {
    Ok(versioned(StatusCode::OK, &app.entry(&name).await?))
}

/// Configures a collection. It is made, or adopted if MongoDB has it already.
#[utoipa::path(
    post, path = "/api/collections", operation_id = "createCollection", tag = "collections",
    request_body(content = ref("#/components/schemas/NewCollection"), content_type = "application/json"),
    params(("dry_run" = Option<bool>, Query)),
    responses(
        (status = 200, description = "What a dry run found.", body = ref("#/components/schemas/DryRun")),
        (status = 201, description = "The collection, as it is configured.", body = ref("#/components/schemas/Collection"), headers(("ETag" = String, description = "The version."))),
        (status = 409, description = "It is configured already, is being deleted, or an index is in the way."),
    )
)]
pub(crate) async fn create(
    State(app): State<App>,
    actor: Actor,
    Create { dry_run }: Create,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let ConfigBody { value, filters } = read_config(&headers, body).await?;
    let config = CollectionConfig::read(value, None, (&app.types, &filters))?;
    let name = config.collection_name.as_str();
    let _writing = app.writing.lock(name).await;
    if let Some(entry) = app.catalog.get(name).await? {
        return Err(exists(&entry));
    }
    if dry_run {
        return Ok(dry_run::of_creation(&app, &config).await?.into_response());
    }
    // The configuration comes last: if this is cut short, the next request finds a collection to adopt.
    app.prepare(&config).await?;
    let entry = match app.catalog.create(&config).await {
        Err(CatalogError::Exists) => return Err(exists_already(name)),
        entry => entry?,
    };
    app.bulletin.tell_change(&config.collection_name).await;
    let destinations = ids(&entry.config);
    actor.audit(Action::Create, name, &destinations, Some(entry.version));
    Ok(versioned(StatusCode::CREATED, &entry))
}

fn exists(entry: &Entry) -> Problem {
    match entry.deleting {
        Some(_) => Problem::conflict(
            "deletion_unfinished",
            "the collection is being deleted; try again in a moment",
        ),
        None => exists_already(entry.config.collection_name.as_str()),
    }
}

fn exists_already(name: &str) -> Problem {
    Problem::conflict(
        "collection_exists",
        format!("the collection {name:?} is configured already: use PUT or PATCH"),
    )
}

/// Replaces a configuration: what is left out takes its default, but for the key schema, which stays.
#[utoipa::path(
    put, path = "/api/collections/{name}", operation_id = "replaceCollection", tag = "collections",
    params(
        ("name" = String, Path), ("discard" = Option<bool>, Query), ("dry_run" = Option<bool>, Query),
        ("If-Match" = Option<String>, Header)
    ),
    request_body(content = ref("#/components/schemas/CollectionReplacement"), content_type = "application/json"),
    responses(
        (status = 200, description = "The collection, as it is configured; or what a dry run found.", body = ref("#/components/schemas/CollectionOrDryRun"), headers(("ETag" = String, description = "The version."))),
        (status = 404, description = "No such collection."),
        (status = 409, description = "The key schema would change, a destination with waiting or dead records would vanish, an index is in the way, or somebody else changed it."),
        (status = 412, description = "Another version is stored than If-Match says."),
    )
)]
pub(crate) async fn replace(
    State(app): State<App>,
    Name(name): Name,
    how: Update,
    if_match: IfMatch,
    actor: Actor,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let ConfigBody { value, filters } = read_config(&headers, body).await?;
    let next = |_: &Entry| Ok(value.clone());
    if how.dry_run {
        return dry_run::of_update(&app, &name, (&if_match, &filters), next).await;
    }
    let entry = update(&app, &name, (how, &if_match), &filters, next).await?;
    actor.audit(Action::Replace, &name, &ids(&entry.config), Some(entry.version));
    Ok(versioned(StatusCode::OK, &entry))
}

/// Changes a configuration: what is left out stays. A list of destinations is replaced as a whole.
#[utoipa::path(
    patch, path = "/api/collections/{name}", operation_id = "patchCollection", tag = "collections",
    params(
        ("name" = String, Path), ("discard" = Option<bool>, Query), ("dry_run" = Option<bool>, Query),
        ("If-Match" = Option<String>, Header)
    ),
    request_body(content = ref("#/components/schemas/CollectionPatch"), content_type = "application/json"),
    responses(
        (status = 200, description = "The collection, as it is configured; or what a dry run found.", body = ref("#/components/schemas/CollectionOrDryRun"), headers(("ETag" = String, description = "The version."))),
        (status = 404, description = "No such collection."),
        (status = 409, description = "The key schema would change, a destination with waiting or dead records would vanish, an index is in the way, or somebody else changed it."),
        (status = 412, description = "Another version is stored than If-Match says."),
    )
)]
pub(crate) async fn patch(
    State(app): State<App>,
    Name(name): Name,
    how: Update,
    if_match: IfMatch,
    actor: Actor,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let ConfigBody { value: body, filters } = read_config(&headers, body).await?;
    if !body.is_object() {
        return Err(Faults::of("(body)", "must be a JSON object: a merge patch").into());
    }
    let next = |entry: &Entry| {
        let mut target = entry.config.show();
        let removes_key = |field: &str| body.get(field).is_some_and(Value::is_null);
        // A patch that takes the key schema away changes it; leaving it out of the result would not.
        if (removes_key("primary_key") && entry.config.primary_key.is_some())
            || (removes_key("sort_key") && entry.config.sort_key.is_some())
        {
            return Err(key_schema_immutable());
        }
        // What is not there cannot be taken away: it is a fault as anywhere.
        let unknown = body.as_object().into_iter().flatten();
        let unknown: Vec<String> = unknown
            .filter(|(name, value)| value.is_null() && target.get(name.as_str()).is_none())
            .map(|(name, _)| name.clone())
            .collect();
        merge(&mut target, body.clone());
        for name in unknown {
            target[name] = Value::Null;
        }
        Ok(target)
    };
    if how.dry_run {
        return dry_run::of_update(&app, &name, (&if_match, &filters), next).await;
    }
    let entry = update(&app, &name, (how, &if_match), &filters, next).await?;
    actor.audit(Action::Patch, &name, &ids(&entry.config), Some(entry.version));
    Ok(versioned(StatusCode::OK, &entry))
}

fn key_schema_immutable() -> Problem {
    let detail = "primary_key and sort_key cannot be changed: create another collection";
    Problem::conflict("key_schema_immutable", detail)
}

/// Replaces a configuration by what `next` makes of the present one, again if somebody else wrote meanwhile.
async fn update(
    app: &App,
    name: &str,
    (how, if_match): (Update, &IfMatch),
    filters: &[Option<String>],
    next: impl Fn(&Entry) -> Result<Value, Problem>,
) -> Result<Entry, Problem> {
    let _writing = app.writing.lock(name).await;
    for _ in 0..MAX_TRIES {
        let (old, config) = read_next(app, name, filters, &next).await?;
        let vanishing = vanishing(&old, &config);
        if !how.discard {
            refuse_undrained(app, &vanishing).await?;
        }
        // Last, since a precondition is about requests that would succeed without it.
        if_match.check(&old)?;
        app.prepare(&config).await?;
        let entry = match app.catalog.replace(&old, &config).await {
            Err(CatalogError::Changed) => continue,
            entry => entry?,
        };
        app.bulletin.tell_change(&config.collection_name).await;
        for id in &vanishing {
            // The worker drops the rest of the state when it has drained the destination.
            let of_it = LetterSelection {
                destination: Some(id.destination.clone()),
                ids: None,
            };
            if let Err(error) = app.store.purge_dead_letters(&id.collection, &of_it).await {
                tracing::warn!(collection = %id.collection, destination = %id.destination, %error, "the dead letters of a removed destination are left");
            }
        }
        return Ok(entry);
    }
    Err(CatalogError::Changed.into())
}

fn ids(config: &CollectionConfig) -> Vec<DestinationId> {
    let destinations = config.destinations.iter();
    destinations.map(|destination| destination.id.clone()).collect()
}

/// Reads what is configured, and what `next` makes of it, checked as far as it can be without looking at MongoDB.
pub(super) async fn read_next(
    app: &App,
    name: &str,
    filters: &[Option<String>],
    next: impl Fn(&Entry) -> Result<Value, Problem>,
) -> Result<(Entry, CollectionConfig), Problem> {
    let old = app.entry(name).await?;
    let config = CollectionConfig::read(next(&old)?, Some(&old.config), (&app.types, filters))?;
    if config.key_fields() != old.config.key_fields() {
        return Err(key_schema_immutable());
    }
    Ok((old, config))
}

/// The destinations that an update takes away.
fn vanishing(old: &Entry, new: &CollectionConfig) -> Vec<SubscriptionId> {
    let gone = old
        .config
        .destinations
        .iter()
        .filter(|old| !new.destinations.iter().any(|new| new.id == old.id));
    gone.map(|gone| new.subscription(gone)).collect()
}

async fn refuse_undrained(app: &App, vanishing: &[SubscriptionId]) -> Result<(), Problem> {
    if vanishing.is_empty() {
        return Ok(());
    }
    let lengths = app.store.lengths(vanishing).await?;
    let undrained = vanishing
        .iter()
        .zip(lengths)
        .find(|(_, lengths)| lengths.waiting + lengths.dead > 0);
    let Some((id, lengths)) = undrained else {
        return Ok(());
    };
    let detail = format!(
        "the destination {:?} has {} waiting and {} dead records that would vanish: wait, redrive or purge them, or \
         repeat with ?discard=true",
        id.destination.as_str(),
        lengths.waiting,
        lengths.dead
    );
    Err(Problem::conflict("destination_not_drained", detail))
}
