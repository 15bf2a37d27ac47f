//! What an engine is asked to run.

use std::sync::Arc;

use crate::contract::{Rewind, Sink, WatchTarget};
use crate::delivery::RetryPolicy;
use crate::filter::EventPattern;
use crate::value::{ClusterTime, CollectionName, DestinationId, InvalidName, Record, RecordType};

/// Decides which records a subscription wants.
pub trait Filter: std::fmt::Debug + Send + Sync + 'static {
    /// Whether the record is wanted. Called once for each record, in the reading path: it must not block.
    fn matches(&self, record: &Record) -> bool;
}

/// Wants records of some types only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeFilter(pub Vec<RecordType>);

impl Filter for TypeFilter {
    fn matches(&self, record: &Record) -> bool {
        self.0.contains(&record.record_type())
    }
}

/// Wants records whose images match, as plain JSON. One whose images could not be had may be one of them: it is wanted, and
/// becomes a dead letter.
impl Filter for EventPattern {
    fn matches(&self, record: &Record) -> bool {
        let (new_image, old_image) = (record.plain_new_image(), record.plain_old_image());
        let matches = || Self::matches(self, new_image.map(AsRef::as_ref), old_image.map(AsRef::as_ref));
        record.fault().is_some() || matches()
    }
}

/// One destination of a collection.
#[derive(Clone, Debug)]
pub struct SubscriptionSpec {
    pub(crate) id: DestinationId,
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) start: Option<ClusterTime>,
    pub(crate) revision: u64,
    pub(crate) filter: Option<Arc<dyn Filter>>,
    pub(crate) retry: RetryPolicy,
    pub(crate) rewind: Rewind,
    pub(crate) mark: Option<ClusterTime>,
    pub(crate) is_paused: bool,
}

impl SubscriptionSpec {
    /// Delivers to `sink` under the durable identity `id`.
    #[must_use]
    pub fn new(id: DestinationId, sink: impl Sink) -> Self {
        let retry = RetryPolicy::default();
        Self {
            id,
            sink: Arc::new(sink),
            start: None,
            revision: 0,
            filter: None,
            retry,
            rewind: Rewind::default(),
            mark: None,
            is_paused: false,
        }
    }

    /// Starts at `time` if the store has no state kept under this same start. Default: when first run.
    #[must_use]
    pub fn with_start(mut self, time: ClusterTime) -> Self {
        self.start = Some(time);
        self
    }

    /// Tells one configuration from another: a running subscription whose revision changes is drained and started
    /// again from where it stands. Default 0.
    #[must_use]
    pub fn with_revision(mut self, revision: u64) -> Self {
        self.revision = revision;
        self
    }

    /// Delivers only what `filter` wants. Default: everything.
    #[must_use]
    pub fn with_filter(mut self, filter: impl Filter) -> Self {
        self.filter = Some(Arc::new(filter));
        self
    }

    /// Moves the position, once for each generation: a subscription whose stored generation is smaller is drained, moved
    /// and started again. Default: generation 0, never moved.
    #[must_use]
    pub fn with_rewind(mut self, rewind: Rewind) -> Self {
        self.rewind = rewind;
        self
    }

    /// Says that the subscription was known to stand at or after `mark`: if the store has no state of it, the state was
    /// lost, and it goes on there instead of at its start. Default: none.
    #[must_use]
    pub fn with_low_water_mark(mut self, mark: ClusterTime) -> Self {
        self.mark = Some(mark);
        self
    }

    /// Keeps the position and delivers nothing until it is not paused any more. Default: not paused.
    #[must_use]
    pub fn paused(mut self, is_paused: bool) -> Self {
        self.is_paused = is_paused;
        self
    }

    /// Whether what runs by the other goes on unchanged by this one.
    pub(crate) fn runs_like(&self, other: &Self) -> bool {
        self.revision == other.revision
            && self.start == other.start
            && self.rewind == other.rewind
            && self.is_paused == other.is_paused
    }

    /// Retries by `policy`.
    #[must_use]
    pub fn with_retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }
}

/// A collection and where its records go.
#[derive(Clone, Debug)]
pub struct CollectionSpec {
    pub(crate) target: WatchTarget,
    pub(crate) subscriptions: Vec<SubscriptionSpec>,
}

impl CollectionSpec {
    /// Watches `target`, so far for nobody.
    #[must_use]
    pub fn new(target: WatchTarget) -> Self {
        Self {
            target,
            subscriptions: Vec::new(),
        }
    }

    /// Watches the collection with this name by `_id`, so far for nobody.
    ///
    /// # Errors
    /// If the name is not legal.
    pub fn named(name: &str) -> Result<Self, InvalidName> {
        Ok(Self::new(WatchTarget::new(CollectionName::new(name)?)))
    }

    /// Adds a destination.
    #[must_use]
    pub fn with_subscription(mut self, subscription: SubscriptionSpec) -> Self {
        self.subscriptions.push(subscription);
        self
    }

    /// Adds a destination with all defaults.
    ///
    /// # Errors
    /// If the id is not legal.
    pub fn to(self, id: &str, sink: impl Sink) -> Result<Self, InvalidName> {
        Ok(self.with_subscription(SubscriptionSpec::new(DestinationId::new(id)?, sink)))
    }

    /// Whether what runs by the other goes on unchanged by this one.
    pub(crate) fn runs_like(&self, other: &Self) -> bool {
        let pairs = self.subscriptions.iter().zip(&other.subscriptions);
        self.target == other.target
            && self.subscriptions.len() == other.subscriptions.len()
            && pairs
                .into_iter()
                .all(|(one, other)| one.id == other.id && one.runs_like(other))
    }

    /// Returns the collection's name.
    #[must_use]
    pub fn name(&self) -> &CollectionName {
        &self.target.collection
    }
}
