//! A collection's configuration as it is stored.

use std::collections::BTreeMap;

use bson::Timestamp;
use conduit_core::{ClusterTime, DestinationId, Rewind};
use serde::Deserialize;

use super::{CollectionConfig, Mark};

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
    /// The streams that are paused.
    #[serde(default)]
    paused: BTreeMap<DestinationId, bool>,
    /// Where operators moved streams to.
    #[serde(default)]
    rewinds: BTreeMap<DestinationId, StoredRewind>,
    /// How far streams have come.
    #[serde(default)]
    marks: BTreeMap<DestinationId, Mark>,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
struct StoredRewind {
    generation: u64,
    to: Timestamp,
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
        self.streams.get(destination).copied().map(cluster_time)
    }

    /// Whether the destination's stream is paused.
    pub(crate) fn is_paused(&self, destination: &DestinationId) -> bool {
        self.paused.get(destination).copied().unwrap_or(false)
    }

    /// Where an operator moved the destination's stream to last.
    pub(crate) fn rewind_of(&self, destination: &DestinationId) -> Rewind {
        let stored = self.rewinds.get(destination);
        stored.map_or_else(Rewind::default, |stored| Rewind {
            generation: stored.generation,
            to: cluster_time(stored.to),
        })
    }

    /// How far the destination's stream is known to have come.
    pub(crate) fn mark_of(&self, destination: &DestinationId) -> Option<Mark> {
        self.marks.get(destination).copied()
    }

    /// Whether subscriptions of this collection are to run.
    pub(crate) fn is_active(&self) -> bool {
        self.config.stream_enabled && self.deleting.is_none()
    }
}

fn cluster_time(time: Timestamp) -> ClusterTime {
    ClusterTime::new(time.time, time.increment)
}
