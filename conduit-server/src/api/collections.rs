//! Collections: create, read, update, delete.

use std::collections::HashMap;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use conduit_core::{CollectionName, SubscriptionId};
use conduit_mongo::{CollectionLayout, ServerVersion, StoredImages};
use serde_json::Value;

use super::app::App;
use super::body::{merge, read_json};
use super::problem::Problem;
use crate::catalog::{CatalogError, CollectionConfig, Deletion, Entry, Faults};

/// How often an update is tried again when somebody else wrote at the same time.
const MAX_TRIES: usize = 5;
const PROTECTED: &str = "Deletion protection is enabled. Disable it before deleting the collection.";

type Flags = Query<HashMap<String, String>>;

pub(crate) async fn list(State(app): State<App>) -> Result<Json<Vec<Value>>, Problem> {
    let entries = app.catalog.list().await?;
    let shown = entries
        .iter()
        .filter(|entry| entry.deleting.is_none())
        .map(|entry| entry.config.show());
    Ok(Json(shown.collect()))
}

pub(crate) async fn get(State(app): State<App>, Path(name): Path<String>) -> Result<Json<Value>, Problem> {
    Ok(Json(app.entry(&name).await?.config.show()))
}

pub(crate) async fn create(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let config = CollectionConfig::read(read_json(&headers, body).await?, None)?;
    let name = config.collection_name.as_str();
    if let Some(entry) = app.catalog.get(name).await? {
        return Err(exists(&entry));
    }
    // The configuration comes last: if this is cut short, the next request finds a collection to adopt.
    prepare(&app, &config).await?;
    let entry = match app.catalog.create(&config).await {
        Err(CatalogError::Exists) => return Err(exists_already(name)),
        entry => entry?,
    };
    app.bulletin.tell_change(&config.collection_name).await;
    tracing::info!(collection = name, "created");
    Ok((StatusCode::CREATED, Json(entry.config.show())).into_response())
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

pub(crate) async fn replace(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(flags): Flags,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let body = read_json(&headers, body).await?;
    update(&app, &name, is_set(&flags, "discard")?, |_| Ok(body.clone())).await
}

pub(crate) async fn patch(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(flags): Flags,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let body = read_json(&headers, body).await?;
    if !body.is_object() {
        return Err(Faults::of("(body)", "must be a JSON object: a merge patch").into());
    }
    update(&app, &name, is_set(&flags, "discard")?, |entry| {
        let mut target = entry.config.show();
        let removes_key = |field: &str| body.get(field).is_some_and(Value::is_null);
        // A patch that takes the key schema away changes it; leaving it out of the result would not.
        if (removes_key("primary_key") && entry.config.primary_key.is_some())
            || (removes_key("sort_key") && entry.config.sort_key.is_some())
        {
            return Err(key_schema_immutable());
        }
        merge(&mut target, body.clone());
        Ok(target)
    })
    .await
}

fn is_set(flags: &HashMap<String, String>, name: &str) -> Result<bool, Problem> {
    match flags.get(name).map(String::as_str) {
        None | Some("false" | "0") => Ok(false),
        Some("true" | "1" | "") => Ok(true),
        Some(_) => Err(Faults::of(name, "must be true or false").into()),
    }
}

fn key_schema_immutable() -> Problem {
    let detail = "primary_key and sort_key cannot be changed: create another collection";
    Problem::conflict("key_schema_immutable", detail)
}

/// Replaces a configuration by what `next` makes of the present one, again if somebody else wrote meanwhile.
async fn update(
    app: &App,
    name: &str,
    discard: bool,
    next: impl Fn(&Entry) -> Result<Value, Problem>,
) -> Result<Json<Value>, Problem> {
    for _ in 0..MAX_TRIES {
        let old = app.entry(name).await?;
        let config = CollectionConfig::read(next(&old)?, Some(&old.config))?;
        if config.key_fields() != old.config.key_fields() {
            return Err(key_schema_immutable());
        }
        let vanishing = vanishing(&old, &config);
        if !discard {
            refuse_undrained(app, &vanishing).await?;
        }
        prepare(app, &config).await?;
        let entry = match app.catalog.replace(&old, &config).await {
            Err(CatalogError::Changed) => continue,
            entry => entry?,
        };
        app.bulletin.tell_change(&config.collection_name).await;
        for id in &vanishing {
            // The worker drops the rest of the state when it has drained the destination.
            if let Err(error) = app.store.purge_dead_letters(id).await {
                tracing::warn!(subscription = %id, %error, "the dead letters of a removed destination are left");
            }
        }
        tracing::info!(
            collection = name,
            version = entry.version,
            "configuration changed"
        );
        return Ok(Json(entry.config.show()));
    }
    Err(CatalogError::Changed.into())
}

/// The destinations that an update takes away.
fn vanishing(old: &Entry, new: &CollectionConfig) -> Vec<SubscriptionId> {
    let gone = old
        .config
        .destinations
        .iter()
        .filter(|old| !new.destinations.iter().any(|new| new.id == old.id));
    gone.map(|gone| SubscriptionId {
        collection: new.collection_name.clone(),
        destination: gone.id.clone(),
    })
    .collect()
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

pub(crate) async fn delete(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(flags): Flags,
) -> Result<StatusCode, Problem> {
    let keep_data = is_set(&flags, "keep_data")?;
    let entry = app.entry(&name).await?;
    if entry.config.deletion_protection {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "deletion_protected",
            PROTECTED,
        ));
    }
    let deletion = if keep_data {
        Deletion::KeepData
    } else {
        Deletion::DropData
    };
    app.catalog.begin_deletion(&entry, deletion).await?;
    app.bulletin.tell_change(&entry.config.collection_name).await;
    finish_deletion(&app, &entry.config.collection_name, deletion).await?;
    tracing::info!(collection = name, ?deletion, "deleted");
    Ok(StatusCode::NO_CONTENT)
}

/// Does what is left of a deletion; every step can be done again.
pub(crate) async fn finish_deletion(
    app: &App,
    name: &CollectionName,
    deletion: Deletion,
) -> Result<(), Problem> {
    if deletion == Deletion::DropData {
        app.admin.drop(name).await?;
    }
    app.store.forget_collection(name).await?;
    app.catalog.end_deletion(name).await?;
    app.bulletin.tell_change(name).await;
    Ok(())
}

/// Makes the collection in MongoDB be what the configuration needs.
async fn prepare(app: &App, config: &CollectionConfig) -> Result<(), Problem> {
    if config.needs_images() {
        let version = app.admin.server_version().await?;
        if version < ServerVersion::new(6, 0, 0) {
            let field = if config.old_image {
                "old_image"
            } else {
                "stream_enabled"
            };
            let message = format!("needs MongoDB 6.0 for pre- and post-images; the server is {version}");
            return Err(Faults::of(field, message).into());
        }
    }
    let spec = CollectionLayout {
        name: config.collection_name.clone(),
        key_fields: config.key_fields(),
        ttl_attribute: config.ttl_attribute.clone(),
        images: if config.needs_images() {
            StoredImages::On
        } else {
            StoredImages::Keep
        },
    };
    app.admin.create_or_adopt(&spec).await?;
    Ok(())
}
