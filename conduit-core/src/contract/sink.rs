//! Delivers records to one destination.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::SinkError;
use crate::value::Record;

/// Whether one call may hold several records of the same key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SameKey {
    /// Never: the destination does not apply a call's records in order.
    #[default]
    OncePerCall,
    /// Yes: the destination applies a call's records in the order of the batch.
    InOrder,
}

/// What a sink takes in one call, and how many calls at once. The engine never exceeds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SinkLimits {
    /// Most records in one call; at least 1.
    pub max_records: usize,
    /// Most bytes of record JSON in one call. A single record that is larger is a dead letter at once.
    pub max_bytes: usize,
    /// Most calls at the same time; at least 1. Records of one key are never in two calls at once.
    pub concurrency: usize,
    /// Whether one call may hold a key twice.
    pub same_key: SameKey,
    /// How long a call that is not full waits for more records. Default 0: what is there goes out together.
    pub linger: Duration,
    /// How long a call may take before it is dropped and its outcome unknown.
    pub timeout: Duration,
}

impl Default for SinkLimits {
    /// One record of up to 64 MiB a call, 64 calls at a time, 30 seconds each.
    fn default() -> Self {
        Self {
            max_records: 1,
            max_bytes: 64 * 1024 * 1024,
            concurrency: 64,
            same_key: SameKey::OncePerCall,
            linger: Duration::ZERO,
            timeout: Duration::from_secs(30),
        }
    }
}

/// Says whether something may still be sent.
pub(crate) type Permission = dyn Fn() -> bool + Send + Sync;

/// Records of one call, in order; never empty. Cheap to clone.
#[derive(Clone)]
pub struct RecordBatch {
    records: Arc<[Arc<Record>]>,
    permission: Option<Arc<Permission>>,
}

impl RecordBatch {
    /// Makes a batch.
    #[must_use]
    pub fn new(records: Vec<Arc<Record>>) -> Self {
        records.into_iter().collect()
    }

    /// Makes the right to send the batch end when `permission` says so.
    #[must_use]
    pub fn with_permission(self, permission: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.with_shared_permission(Arc::new(permission))
    }

    /// As [`with_permission`](Self::with_permission), with one that many batches share.
    pub(crate) fn with_shared_permission(mut self, permission: Arc<Permission>) -> Self {
        self.permission = Some(permission);
        self
    }

    /// Whether the batch may still be sent: the worker's lease has not run out. Asked by the engine right before the call;
    /// a sink that hands bytes to another task asks again right before they leave the process, since a process can be
    /// frozen in between, and answers [`SinkErrorKind::NotSent`](super::SinkErrorKind::NotSent) if they may not.
    #[must_use]
    pub fn is_permitted(&self) -> bool {
        self.permission.as_ref().is_none_or(|permission| permission())
    }

    /// Returns the records in the order in which a sink that keeps order applies them.
    #[must_use]
    pub fn records(&self) -> &[Arc<Record>] {
        &self.records
    }
}

impl FromIterator<Arc<Record>> for RecordBatch {
    fn from_iter<I: IntoIterator<Item = Arc<Record>>>(records: I) -> Self {
        Self {
            records: records.into_iter().collect(),
            permission: None,
        }
    }
}

impl fmt::Debug for RecordBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordBatch")
            .field("records", &self.records)
            .finish_non_exhaustive()
    }
}

/// What became of a call whose outcome is known.
#[derive(Debug, Default)]
pub struct Delivery {
    /// The records that failed, by their index in the batch. All others are delivered.
    pub failed: Vec<(usize, SinkError)>,
}

impl Delivery {
    /// Every record of the batch is delivered.
    #[must_use]
    pub fn complete() -> Self {
        Self::default()
    }

    /// Makes a test's result of the delivery of its one record; `status` is what an HTTP server answers that takes it.
    ///
    /// # Errors
    /// If the record failed.
    pub fn into_tested(self, status: Option<u16>) -> Result<Tested, SinkError> {
        match self.failed.into_iter().next() {
            Some((_, error)) => Err(error),
            None => Ok(Tested { status }),
        }
    }
}

/// A destination took a test's record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tested {
    /// The HTTP status of its last answer, where it speaks HTTP.
    pub status: Option<u16>,
}

/// Delivers records to one destination.
///
/// This is the one trait to implement for a destination of your own. A sink does not retry: the engine does, durably,
/// in order, and counted.
#[async_trait]
pub trait Sink: fmt::Debug + Send + Sync + 'static {
    /// Returns what one call may hold. Asked once, when the subscription starts.
    fn limits(&self) -> SinkLimits;

    /// Names what fails as a whole (scheme, host and port; a bus; a server): sinks of the same name share what they learn of
    /// it, and are held together. Without secrets, since it is logged. Asked once, when the subscription starts. Default:
    /// `None`, an endpoint of its own.
    fn endpoint(&self) -> Option<String> {
        None
    }

    /// Delivers the records of `batch`.
    ///
    /// `Ok` means that every record that [`Delivery::failed`] does not list is durable at the destination; accepted
    /// for later is not. `Err` speaks of the whole batch: refused, or its outcome unknown.
    ///
    /// Called for several batches at once, never for two that hold the same key. The same record may come again with
    /// the same event id: after a crash, or when the outcome of a call was unknown. The future may be dropped at any
    /// await (time-out, shutdown); the outcome then counts as unknown.
    ///
    /// # Errors
    /// The kind decides what becomes of the records; see [`SinkErrorKind`](super::SinkErrorKind).
    async fn deliver(&self, batch: &RecordBatch) -> Result<Delivery, SinkError>;

    /// Sends one record that an operator made up, to see whether the destination takes it: once, as
    /// [`deliver`](Self::deliver) would send it, and with nothing left behind that a record of no document must not leave.
    ///
    /// Never called by the engine, but by a host, on a sink of its own: whatever it learns counts for nothing. The host
    /// limits the time to [`SinkLimits::timeout`] or less by dropping the future. Default: delivers it.
    ///
    /// # Errors
    /// Why the destination did not take it; with [`SinkError::status`] if it answered by HTTP.
    async fn test(&self, record: Arc<Record>) -> Result<Tested, SinkError> {
        let delivery = self.deliver(&RecordBatch::new(vec![record])).await?;
        delivery.into_tested(None)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: Sink + ?Sized> Sink for Arc<T> {
    fn limits(&self) -> SinkLimits {
        (**self).limits()
    }

    fn endpoint(&self) -> Option<String> {
        (**self).endpoint()
    }

    async fn deliver(&self, batch: &RecordBatch) -> Result<Delivery, SinkError> {
        (**self).deliver(batch).await
    }

    async fn test(&self, record: Arc<Record>) -> Result<Tested, SinkError> {
        (**self).test(record).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: Sink + ?Sized> Sink for Box<T> {
    fn limits(&self) -> SinkLimits {
        (**self).limits()
    }

    fn endpoint(&self) -> Option<String> {
        (**self).endpoint()
    }

    async fn deliver(&self, batch: &RecordBatch) -> Result<Delivery, SinkError> {
        (**self).deliver(batch).await
    }

    async fn test(&self, record: Arc<Record>) -> Result<Tested, SinkError> {
        (**self).test(record).await
    }
}
