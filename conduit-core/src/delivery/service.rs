//! Sinks as tower services, and services as sinks.
//!
//! The engine's own layers stand around every sink in one fixed order, outermost first: the gate (lease, throttling), the
//! limit of concurrent calls, the time-out, the sink. Waiting for a turn so does not count against the time-out. A host
//! puts its own layers inside, around the sink: `ServiceSink::new(stack.service(SinkService::new(sink)), limits)`. There
//! is no retry layer among them: retries are durable and belong to the engine.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, poll_fn};
use tower_service::Service;

use crate::contract::{BoxError, Delivery, RecordBatch, Sink, SinkError, SinkErrorKind, SinkLimits};

/// Any [`Sink`] as a `tower` service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SinkService {
    sink: Arc<dyn Sink>,
}

impl SinkService {
    /// Wraps a sink.
    #[must_use]
    pub fn new(sink: impl Sink) -> Self {
        Self { sink: Arc::new(sink) }
    }
}

impl Service<RecordBatch> for SinkService {
    type Response = Delivery;
    type Error = SinkError;
    type Future = BoxFuture<'static, Result<Delivery, SinkError>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), SinkError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, batch: RecordBatch) -> Self::Future {
        let sink = Arc::clone(&self.sink);
        async move { sink.deliver(&batch).await }.boxed()
    }
}

/// A `tower` service as a [`Sink`]. Each call works on a clone of the service.
///
/// An error that is (or is caused by) a [`SinkError`] keeps its kind; any other counts as
/// [`SinkErrorKind::Unavailable`].
#[derive(Clone)]
pub struct ServiceSink<S> {
    service: S,
    limits: SinkLimits,
}

impl<S> ServiceSink<S> {
    /// Wraps a service that takes what `limits` allow.
    #[must_use]
    pub fn new(service: S, limits: SinkLimits) -> Self {
        Self { service, limits }
    }
}

impl<S> fmt::Debug for ServiceSink<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceSink")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl<S> Sink for ServiceSink<S>
where
    S: Service<RecordBatch, Response = Delivery> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    fn limits(&self) -> SinkLimits {
        self.limits
    }

    async fn deliver(&self, batch: &RecordBatch) -> Result<Delivery, SinkError> {
        let mut service = self.service.clone();
        poll_fn(|cx| service.poll_ready(cx))
            .await
            .map_err(|error| restore(error.into()))?;
        service
            .call(batch.clone())
            .await
            .map_err(|error| restore(error.into()))
    }
}

/// Finds the sink's own error under whatever layers put around it.
fn restore(error: BoxError) -> SinkError {
    match error.downcast::<SinkError>() {
        Ok(error) => *error,
        Err(error) => {
            let mut kind = SinkErrorKind::Unavailable;
            let mut source = error.source();
            while let Some(cause) = source {
                if let Some(cause) = cause.downcast_ref::<SinkError>() {
                    kind = cause.kind();
                }
                source = cause.source();
            }
            SinkError::new(kind, "the service failed").with_source(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Refusing;

    #[async_trait]
    impl Sink for Refusing {
        fn limits(&self) -> SinkLimits {
            SinkLimits::default()
        }

        async fn deliver(&self, _batch: &RecordBatch) -> Result<Delivery, SinkError> {
            Err(SinkError::rejected("no"))
        }
    }

    #[derive(Debug)]
    struct Wrapped(SinkError);

    impl fmt::Display for Wrapped {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a layer failed")
        }
    }

    impl std::error::Error for Wrapped {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    #[tokio::test]
    async fn a_sink_behind_services_keeps_the_kind_of_its_errors() {
        let sink = ServiceSink::new(SinkService::new(Refusing), SinkLimits::default());
        let error = sink.deliver(&RecordBatch::new(Vec::new())).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (SinkErrorKind::Rejected, "no"));
        let wrapped = restore(Box::new(Wrapped(SinkError::undeliverable("too large"))));
        assert_eq!(wrapped.kind(), SinkErrorKind::Undeliverable);
        assert_eq!(wrapped.report(), "the service failed: a layer failed: too large");
    }
}
