//! A collection's configuration as it is stored.

use std::collections::BTreeMap;

use bson::Timestamp;
use conduit_core::{ClusterTime, DestinationId};
use serde::Deserialize;

use super::CollectionConfig;

/// One document of `config.collections`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Entry {
    /// Grows with every write; every write compares it.
    pub(crate) version: i64,
    /// Whether a deletion began that is not finished yet.
    #[serde(default)]
    pub(crate) deleting: Option<Deletion>,
    pub(crate) config: CollectionConfig,
    /// Where each destination's stream starts: the operation time of the write that turned it on.
    #[serde(default)]
    streams: BTreeMap<DestinationId, Timestamp>,
}

/// What a deletion does to the documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Deletion {
    /// The collection is dropped.
    DropData,
    /// The documents stay.
    KeepData,
}

impl Entry {
    /// Where the destination's stream starts, if it has one.
    pub(crate) fn start_of(&self, destination: &DestinationId) -> Option<ClusterTime> {
        self.streams
            .get(destination)
            .map(|time| ClusterTime::new(time.time, time.increment))
    }

    /// Whether subscriptions of this collection are to run.
    pub(crate) fn is_active(&self) -> bool {
        self.config.stream_enabled && self.deleting.is_none()
    }
}
