//! Whether each destination can be reached.

use conduit_core::EventPattern;
use futures_util::{StreamExt, stream};
use tokio::time::timeout;

use super::check::Check;
use super::finding::Finding;
use super::patience::{PATIENCE, no_answer};
use crate::catalog::{CollectionConfig, Destination, Entry};
use crate::destination_type::DestinationTypes;

/// How many are tried at the same time.
const MAX_AT_ONCE: usize = 32;

/// Tries every destination of a stream that is on; nothing is sent.
pub(super) async fn examine(entries: &[Entry], types: &DestinationTypes) -> Vec<Check> {
    let trying = entries
        .iter()
        .filter(|entry| entry.deleting.is_none())
        .flat_map(|entry| {
            let config = &entry.config;
            let each = config.destinations.iter();
            each.map(move |destination| async move {
                let name = format!("destination {}", config.subscription(destination));
                Check::new(name, examine_one(config, destination, types).await)
            })
        });
    let trying: Vec<_> = trying.collect();
    stream::iter(trying).buffered(MAX_AT_ONCE).collect().await
}

async fn examine_one(
    config: &CollectionConfig,
    destination: &Destination,
    types: &DestinationTypes,
) -> Finding {
    if !config.stream_enabled {
        return Finding::skipped("the stream of its collection is off");
    }
    if let Some(error) = destination
        .filter_criteria
        .as_deref()
        .and_then(|text| EventPattern::parse(text).err())
    {
        return Finding::failed(
            format!("its filter cannot be read: {error}"),
            format!(
                "Correct filter_criteria of {}, after trying it: conduit filter test",
                destination.id
            ),
        );
    }
    match timeout(PATIENCE, destination.probe(&config.collection_name, types)).await {
        Ok(finding) => finding,
        Err(_elapsed) => Finding::failed(
            no_answer(),
            "Look whether its server is up and whether a firewall drops what this machine sends to it.",
        ),
    }
}
