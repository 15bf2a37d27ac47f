//! A destination that is down while a test says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use conduit_core::{Delivery, Record, RecordBatch, Sink, SinkError, SinkErrorKind, SinkLimits};
use conduit_testkit::{Answer, RecordingSink};

/// A destination that is up at first, and counts what its sinks are asked. Clones are one destination.
#[derive(Clone, Default)]
pub(crate) struct Outage {
    is_down: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

impl Outage {
    pub(crate) fn begins(&self) {
        self.is_down.store(true, Ordering::SeqCst);
    }

    pub(crate) fn ends(&self) {
        self.is_down.store(false, Ordering::SeqCst);
    }

    pub(crate) fn is_down(&self) -> bool {
        self.is_down.load(Ordering::SeqCst)
    }

    /// Returns how many records the sinks were asked to deliver.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn sink(&self, kind: SinkErrorKind) -> RecordingSink {
        self.sink_with(kind, |_| false)
    }

    /// Some records are refused whether the destination is up or not, the way that a failing destination does.
    pub(crate) fn sink_with(
        &self,
        kind: SinkErrorKind,
        is_poison: impl Fn(&Record) -> bool + Send + Sync + 'static,
    ) -> RecordingSink {
        let outage = self.clone();
        RecordingSink::scripted(move |record, _| {
            outage.asked.fetch_add(1, Ordering::SeqCst);
            if outage.is_down() || is_poison(record) {
                Answer::Fail(SinkError::new(kind, "HTTP 503"))
            } else {
                Answer::Accept
            }
        })
    }
}

/// A sink whose endpoint has a name, the same for all of them.
#[derive(Debug)]
pub(crate) struct Named(pub(crate) RecordingSink);

#[async_trait]
impl Sink for Named {
    fn limits(&self) -> SinkLimits {
        self.0.limits()
    }

    fn endpoint(&self) -> Option<String> {
        Some("http://receiver".to_owned())
    }

    async fn deliver(&self, batch: &RecordBatch) -> Result<Delivery, SinkError> {
        self.0.deliver(batch).await
    }
}
