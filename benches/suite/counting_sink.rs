//! Counts what is delivered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use conduit_core::{Delivery, RecordBatch, SameKey, Sink, SinkError, SinkLimits};
use tokio::sync::Notify;

/// How many records were delivered, of how many.
#[derive(Debug)]
pub(crate) struct Deliveries {
    count: AtomicU64,
    expected: u64,
    reached: Notify,
}

impl Deliveries {
    pub(crate) fn expecting(expected: u64) -> Self {
        Self {
            count: AtomicU64::new(0),
            expected,
            reached: Notify::new(),
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Waits for as many as are expected; for one waiter only.
    pub(crate) async fn all(&self) {
        while self.count() < self.expected {
            self.reached.notified().await;
        }
    }

    fn add(&self, records: usize) {
        let records = records as u64;
        if self.count.fetch_add(records, Ordering::Relaxed) + records >= self.expected {
            self.reached.notify_one();
        }
    }
}

/// Delivers to another sink and counts what that took.
#[derive(Debug)]
pub(crate) struct CountingSink {
    inner: Box<dyn Sink>,
    deliveries: Arc<Deliveries>,
}

impl CountingSink {
    pub(crate) fn new(inner: Box<dyn Sink>, deliveries: Arc<Deliveries>) -> Self {
        Self { inner, deliveries }
    }
}

#[async_trait]
impl Sink for CountingSink {
    fn limits(&self) -> SinkLimits {
        self.inner.limits()
    }

    fn endpoint(&self) -> Option<String> {
        self.inner.endpoint()
    }

    async fn deliver(&self, batch: &RecordBatch) -> Result<Delivery, SinkError> {
        let delivery = self.inner.deliver(batch).await?;
        self.deliveries.add(batch.records().len() - delivery.failed.len());
        Ok(delivery)
    }
}

/// Takes everything at once.
#[derive(Debug)]
pub(crate) struct NullSink;

#[async_trait]
impl Sink for NullSink {
    fn limits(&self) -> SinkLimits {
        SinkLimits {
            max_records: 500,
            concurrency: 64,
            same_key: SameKey::InOrder,
            ..SinkLimits::default()
        }
    }

    async fn deliver(&self, _batch: &RecordBatch) -> Result<Delivery, SinkError> {
        Ok(Delivery::complete())
    }
}
