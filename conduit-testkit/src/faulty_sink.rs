//! Scripted faults around any sink.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::{Delivery, RecordBatch, Sink, SinkError, SinkLimits};

use crate::Hold;

/// What becomes of a call.
#[derive(Debug)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing: the sink gets it.
    Pass,
    /// It fails and the sink does not get it: refused, throttled, down.
    Fail(SinkError),
    /// These records of it fail, by their index; the sink gets the others.
    Reject(Vec<(usize, SinkError)>),
    /// The sink gets it, and its answer is lost.
    LoseAnswer,
    /// The sink gets it when the hold is released.
    Hold(Hold),
    /// The sink does not get it, and there is no answer until the call is dropped.
    Hang,
    /// The sink gets it after a while.
    Slow(Duration),
}

type Script = dyn Fn(&RecordBatch, usize) -> Fault + Send + Sync;

/// A sink whose calls meet the faults that a test writes.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use conduit_core::{RecordBatch, Sink};
/// use conduit_testkit::store_suite::{collection, record};
/// use conduit_testkit::{Fault, FaultySink, RecordingSink};
///
/// let destination = RecordingSink::new();
/// let sink = FaultySink::new(destination.clone(), |_, call| match call {
///     0 => Fault::LoseAnswer,
///     _ => Fault::Pass,
/// });
/// let batch = RecordBatch::new(vec![record(&collection("orders"), 1, "a")]);
/// assert!(sink.deliver(&batch).await.is_err());
/// assert!(sink.deliver(&batch).await.is_ok());
/// assert_eq!(destination.accepted(), ["event-1", "event-1"]);
/// # });
/// ```
pub struct FaultySink<S> {
    sink: S,
    script: Box<Script>,
    calls: AtomicUsize,
}

impl<S: Sink> FaultySink<S> {
    /// Asks `script` about every call; the number counts the calls before it.
    pub fn new(sink: S, script: impl Fn(&RecordBatch, usize) -> Fault + Send + Sync + 'static) -> Self {
        Self {
            sink,
            script: Box::new(script),
            calls: AtomicUsize::new(0),
        }
    }

    /// Returns how many calls came so far.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Delivers what is not rejected, and gives its failures the indexes of the whole batch.
    async fn deliver_others(
        &self,
        batch: &RecordBatch,
        rejected: Vec<(usize, SinkError)>,
    ) -> Result<Delivery, SinkError> {
        let left_out: BTreeSet<usize> = rejected.iter().map(|(index, _)| *index).collect();
        let kept: Vec<usize> = (0..batch.records().len())
            .filter(|index| !left_out.contains(index))
            .collect();
        let mut failed = rejected;
        if !kept.is_empty() {
            let others = kept.iter().map(|index| Arc::clone(&batch.records()[*index]));
            let delivery = self.sink.deliver(&RecordBatch::new(others.collect())).await?;
            let in_whole = |(index, error): (usize, SinkError)| Some((*kept.get(index)?, error));
            failed.extend(delivery.failed.into_iter().filter_map(in_whole));
        }
        Ok(Delivery { failed })
    }
}

#[async_trait]
impl<S: Sink> Sink for FaultySink<S> {
    fn limits(&self) -> SinkLimits {
        self.sink.limits()
    }

    fn endpoint(&self) -> Option<String> {
        self.sink.endpoint()
    }

    async fn deliver(&self, batch: &RecordBatch) -> Result<Delivery, SinkError> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        match (self.script)(batch, call) {
            Fault::Pass => {}
            Fault::Fail(error) => return Err(error),
            Fault::Reject(rejected) => return self.deliver_others(batch, rejected).await,
            Fault::LoseAnswer => {
                // Whatever it was: nobody gets to know.
                let _ = self.sink.deliver(batch).await;
                return Err(SinkError::timeout("the answer was lost"));
            }
            Fault::Hold(hold) => hold.released().await,
            Fault::Hang => std::future::pending().await,
            Fault::Slow(wait) => tokio::time::sleep(wait).await,
        }
        self.sink.deliver(batch).await
    }
}

impl<S: fmt::Debug> fmt::Debug for FaultySink<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultySink")
            .field("sink", &self.sink)
            .finish_non_exhaustive()
    }
}
