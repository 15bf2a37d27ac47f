//! A sink that remembers, and does what a test tells it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::{Delivery, EventId, Record, RecordBatch, Sink, SinkError, SinkLimits};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::Hold;

/// What the sink does with a record.
#[derive(Debug)]
pub enum Answer {
    /// Takes it.
    Accept,
    /// Refuses it.
    Fail(SinkError),
    /// Takes it, but the answer is lost.
    AcceptThenLose,
    /// Does not answer until the call is dropped.
    Hang,
    /// Takes it when the hold is released.
    Hold(Hold),
    /// Takes it after a while.
    Slow(Duration),
}

/// One record at the sink.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// The record.
    pub record: Arc<Record>,
    /// When, since the sink was made.
    pub at: Duration,
    /// Whether the sink took it.
    pub accepted: bool,
}

type Script = dyn Fn(&Record, usize) -> Answer + Send + Sync;

/// Remembers every record that arrives. Clones share the memory.
#[derive(Clone)]
pub struct RecordingSink {
    shared: Arc<Shared>,
}

struct Shared {
    limits: SinkLimits,
    script: Box<Script>,
    arrived: Mutex<Vec<Arrived>>,
    arrivals: Mutex<HashMap<EventId, usize>>,
    count: watch::Sender<usize>,
    made: Instant,
}

impl std::fmt::Debug for RecordingSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecordingSink")
    }
}

impl Default for RecordingSink {
    fn default() -> Self {
        Self::scripted(|_, _| Answer::Accept)
    }
}

impl RecordingSink {
    /// A sink that takes everything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A sink that asks `script` what to do with a record; the number counts the record's earlier arrivals.
    #[must_use]
    pub fn scripted(script: impl Fn(&Record, usize) -> Answer + Send + Sync + 'static) -> Self {
        Self::with_limits(SinkLimits::default(), script)
    }

    /// The same with limits of its own.
    #[must_use]
    pub fn with_limits(
        limits: SinkLimits,
        script: impl Fn(&Record, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let shared = Shared {
            limits,
            script: Box::new(script),
            arrived: Mutex::default(),
            arrivals: Mutex::default(),
            count: watch::Sender::new(0),
            made: Instant::now(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    fn memory(&self) -> MutexGuard<'_, Vec<Arrived>> {
        self.shared.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns everything that arrived, in order.
    #[must_use]
    pub fn arrived(&self) -> Vec<Arrived> {
        self.memory().clone()
    }

    /// Returns the event ids that were accepted, in order.
    #[must_use]
    pub fn accepted(&self) -> Vec<String> {
        let memory = self.memory();
        let accepted = memory.iter().filter(|arrived| arrived.accepted);
        accepted
            .map(|arrived| arrived.record.event_id().to_string())
            .collect()
    }

    /// Waits until so many records were accepted.
    pub async fn wait_accepted(&self, count: usize) {
        let mut counts = self.shared.count.subscribe();
        // The sender lives as long as `self`.
        let _ = counts.wait_for(|accepted| *accepted >= count).await;
    }

    /// Counts an arrival and returns how many of this record there were before.
    fn count_arrival(&self, record: &Record) -> usize {
        let mut arrivals = self
            .shared
            .arrivals
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let count = arrivals.entry(record.event_id().clone()).or_insert(0);
        *count += 1;
        *count - 1
    }

    fn note(&self, record: &Arc<Record>, accepted: bool) {
        let arrived = Arrived {
            record: Arc::clone(record),
            at: self.shared.made.elapsed(),
            accepted,
        };
        self.memory().push(arrived);
        if accepted {
            self.shared.count.send_modify(|count| *count += 1);
        }
    }
}

#[async_trait]
impl Sink for RecordingSink {
    fn limits(&self) -> SinkLimits {
        self.shared.limits
    }

    async fn deliver(&self, batch: &RecordBatch) -> Result<Delivery, SinkError> {
        let mut delivery = Delivery::complete();
        for (index, record) in batch.records().iter().enumerate() {
            match (self.shared.script)(record, self.count_arrival(record)) {
                Answer::Accept => self.note(record, true),
                Answer::Fail(error) => {
                    self.note(record, false);
                    delivery.failed.push((index, error));
                }
                Answer::AcceptThenLose => {
                    self.note(record, true);
                    return Err(SinkError::timeout("the answer was lost"));
                }
                Answer::Hang => {
                    self.note(record, false);
                    std::future::pending::<()>().await;
                }
                Answer::Hold(hold) => {
                    hold.released().await;
                    self.note(record, true);
                }
                Answer::Slow(wait) => {
                    tokio::time::sleep(wait).await;
                    self.note(record, true);
                }
            }
        }
        Ok(delivery)
    }
}
