//! Reads an ordered history of changes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::WatchError;
use crate::value::{ClusterTime, CollectionName, Position, Record};

/// How values of a document are written as JSON.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageFormat {
    /// Plain JSON for people and programs.
    #[default]
    Json,
    /// Canonical Extended JSON v2: nothing is lost.
    Extjson,
}

/// Which images records carry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Images {
    /// The new image only, as looked up soon after the change.
    #[default]
    New,
    /// Both images, each as it was at the change.
    NewAndOld,
}

/// A collection to watch, and how its records are made.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct WatchTarget {
    /// The collection.
    pub collection: CollectionName,
    /// The key schema's fields; empty where the key is the document's `_id`.
    pub key_fields: Vec<String>,
    /// Which images records carry.
    pub images: Images,
    /// How documents are written.
    pub image_format: ImageFormat,
    /// Whether records carry their images as plain JSON too where they are written otherwise, for filters to look at.
    pub plain_images: bool,
}

impl WatchTarget {
    /// Watches `collection` by `_id`, with new images as plain JSON.
    #[must_use]
    pub fn new(collection: CollectionName) -> Self {
        Self {
            collection,
            key_fields: Vec::new(),
            images: Images::New,
            image_format: ImageFormat::Json,
            plain_images: false,
        }
    }

    /// Whether its records are made of images that are stored with the change; else the document is looked up soon after.
    #[must_use]
    pub fn needs_stored_images(&self) -> bool {
        self.images == Images::NewAndOld || !self.key_fields.is_empty()
    }
}

/// How much one batch may bring, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    /// At most so many records (a change that makes two may bring one more).
    pub max_records: usize,
    /// At most so many bytes of JSON, but for a single larger record.
    pub max_bytes: usize,
    /// How long to wait for a first record before an empty batch with a newer position is returned.
    pub max_wait: Duration,
}

/// Records in the order of their changes.
#[derive(Clone, Debug)]
pub struct StreamBatch {
    /// The records; may be empty.
    pub records: Vec<Arc<Record>>,
    /// The position after everything in the batch, and after whatever the source passed over to make it.
    pub position: Position,
    /// Whether the source had nothing more when the batch was made.
    pub reached_end: bool,
}

/// A source of changes that can be watched.
///
/// The engine opens streams that many subscriptions share: the targets of one either all need stored images or none does
/// ([`WatchTarget::needs_stored_images`]). Of each kind two are open at the most, while one takes the place of another. It
/// opens again after every error, at the position after the last batch that it took, and with other targets whenever these
/// change.
#[async_trait]
pub trait Watcher: fmt::Debug + Send + Sync + 'static {
    /// Opens a stream of the changes of `targets` after `start`.
    ///
    /// Every change after `start` comes, none at or before it. The same change makes the same record (event id,
    /// sequence, JSON but for a looked-up image) whatever other targets the stream was opened with.
    ///
    /// # Errors
    /// By kind: `Unavailable` makes the engine try again with backoff, `HistoryLost` halts the subscription, `Invalid`
    /// is tried again slowly and shown to the operator.
    async fn open(
        &self,
        targets: &[WatchTarget],
        start: &Position,
    ) -> Result<Box<dyn RecordStream>, WatchError>;

    /// Returns the source's present time: every change acknowledged before the call is at or before it.
    ///
    /// # Errors
    /// `Unavailable` if the source cannot be asked.
    async fn now(&self) -> Result<ClusterTime, WatchError>;
}

/// An open stream. Pull-based: not calling is back-pressure.
#[async_trait]
pub trait RecordStream: Send + 'static {
    /// Returns the next batch, waiting at most `limits.max_wait` for a first record; an empty batch brings a newer
    /// position.
    ///
    /// Cancel-safe: dropping the future loses no record.
    ///
    /// # Errors
    /// As [`Watcher::open`]. After an error the stream is not used again.
    async fn next_batch(&mut self, limits: BatchLimits) -> Result<StreamBatch, WatchError>;
}
