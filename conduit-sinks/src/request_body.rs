//! The body of a request, which leaves only while the worker may send.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use conduit_core::RecordBatch;
use hyper::body::{Body, Frame, SizeHint};

/// All of a request's bytes, given out at the moment when the connection writes them.
///
/// The connection has a task of its own, so a process that is frozen after the call began may write when it wakes, long
/// after its lease went to another worker. Asking here leaves nothing between the question and the write.
#[derive(Clone, Debug)]
pub(crate) struct RequestBody {
    bytes: Bytes,
    batch: RecordBatch,
}

impl RequestBody {
    pub(crate) fn new(bytes: Bytes, batch: &RecordBatch) -> Self {
        Self {
            bytes,
            batch: batch.clone(),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = NotPermitted;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, NotPermitted>>> {
        if self.bytes.is_empty() {
            return Poll::Ready(None);
        }
        if !self.batch.is_permitted() {
            return Poll::Ready(Some(Err(NotPermitted)));
        }
        let bytes = std::mem::take(&mut self.bytes);
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}

/// The worker's right to send ended before the request left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotPermitted;

impl NotPermitted {
    /// Whether it is what an error comes from.
    pub(crate) fn caused(error: &(dyn Error + 'static)) -> bool {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if error.is::<Self>() {
                return true;
            }
            cause = error.source();
        }
        false
    }
}

impl fmt::Display for NotPermitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the right to send ended")
    }
}

impl Error for NotPermitted {}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn bytes_leave_only_while_the_batch_may_be_sent() {
        let may = Arc::new(AtomicBool::new(true));
        let asked = may.clone();
        let batch = RecordBatch::new(Vec::new()).with_permission(move || asked.load(Ordering::SeqCst));
        let body = RequestBody::new(Bytes::from_static(b"{}"), &batch);
        assert_eq!(body.clone().collect().await.unwrap().to_bytes(), "{}");
        may.store(false, Ordering::SeqCst);
        assert!(NotPermitted::caused(&body.collect().await.unwrap_err()));
    }
}
