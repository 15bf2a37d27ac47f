//! What operators want of single streams: written beside the configuration, and told to the workers.

use std::collections::HashMap;

use axum::http::StatusCode;
use conduit_core::{ClusterTime, DestinationId, Rewind};

use super::app::App;
use super::problem::Problem;
use crate::catalog::{CatalogError, Entry};

/// How often a change is tried again when another process wrote at the same time.
const MAX_TRIES: usize = 20;

/// What is to become of streams.
#[derive(Debug)]
pub(super) enum Change {
    /// Paused, or not any more.
    Paused(bool),
    /// Moved.
    Rewound {
        to: ClusterTime,
        /// How often workers know them to have been moved, which a configuration that was restored may have forgotten.
        applied: HashMap<DestinationId, u64>,
    },
}

impl Change {
    async fn write(&self, app: &App, old: &Entry, meant: &[DestinationId]) -> Result<(), CatalogError> {
        match self {
            Self::Paused(is_paused) => {
                let differs = |id: &&DestinationId| old.is_paused(id) != *is_paused;
                let changed: Vec<DestinationId> = meant.iter().filter(differs).cloned().collect();
                if changed.is_empty() {
                    return Ok(());
                }
                app.catalog.set_paused(old, &changed, *is_paused).await
            }
            Self::Rewound { to, applied } => {
                let rewinds = meant.iter().map(|id| {
                    let marked = old.mark_of(id).map_or(0, |mark| mark.generation);
                    let applied = applied.get(id).copied().unwrap_or(0);
                    let generation = old.rewind_of(id).generation.max(marked).max(applied) + 1;
                    (id.clone(), Rewind { generation, to: *to })
                });
                let rewinds: Vec<_> = rewinds.collect();
                app.catalog.rewind(old, &rewinds).await
            }
        }
    }
}

/// Makes a change of one destination or of all, again if somebody else wrote meanwhile, and tells of it; returns the entry
/// as it is then, and the destinations that are meant.
pub(super) async fn steer(
    app: &App,
    name: &str,
    destination: Option<&str>,
    change: &Change,
) -> Result<(Entry, Vec<DestinationId>), Problem> {
    let _writing = app.writing.lock(name).await;
    for _ in 0..MAX_TRIES {
        let old = app.entry(name).await?;
        let meant = meant(&old, destination)?;
        match change.write(app, &old, &meant).await {
            Err(CatalogError::Changed) => continue,
            changed => changed?,
        }
        app.bulletin.tell_change(&old.config.collection_name).await;
        return Ok((app.entry(name).await?, meant));
    }
    Err(CatalogError::Changed.into())
}

/// The destinations that a request is about: one, or all.
pub(super) fn meant(entry: &Entry, destination: Option<&str>) -> Result<Vec<DestinationId>, Problem> {
    if let Some(destination) = destination {
        check_destination(entry, destination)?;
    }
    if !entry.is_active() {
        return Err(stream_disabled());
    }
    let all = entry
        .config
        .destinations
        .iter()
        .map(|destination| &destination.id);
    let is_meant = |id: &&DestinationId| destination.is_none_or(|wanted| wanted == id.as_str());
    Ok(all.filter(is_meant).cloned().collect())
}

pub(super) fn check_destination(entry: &Entry, id: &str) -> Result<(), Problem> {
    let known = entry.config.destinations.iter();
    if known.clone().any(|known| known.id.as_str() == id) {
        return Ok(());
    }
    let known: Vec<&str> = known.map(|known| known.id.as_str()).collect();
    let known = match known.is_empty() {
        true => "none".to_owned(),
        false => known.join(", "),
    };
    let detail = format!("the collection has no destination {id:?}; it has: {known}");
    Err(Problem::new(
        StatusCode::NOT_FOUND,
        "destination_not_found",
        detail,
    ))
}

pub(super) fn stream_disabled() -> Problem {
    let detail = "the stream is off, and has no position: turn it on with stream_enabled first";
    Problem::conflict("stream_disabled", detail)
}
