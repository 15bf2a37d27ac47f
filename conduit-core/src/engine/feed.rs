//! Reads one subscription's records and says what each needs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::backoff::Backoff;
use super::spec::Filter;
use crate::contract::{
    BatchLimits, ProcessedId, RecordStream, StateStore, StreamBatch, WatchError, WatchErrorKind, WatchTarget,
    Watcher,
};
use crate::value::{ClusterTime, Position, Record, SubscriptionId};

/// What a record that was read needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Needs {
    /// To be delivered.
    Delivery,
    /// Nothing: the subscription does not want it.
    NothingFiltered,
    /// Nothing: it was delivered before, as its processed id says.
    NothingProcessed,
}

/// What the reading task tells the subscription.
#[derive(Debug)]
pub(crate) enum FeedEvent {
    /// Records in the order of their changes, and the position after them.
    Batch {
        records: Vec<(Arc<Record>, Needs)>,
        position: Position,
        reached_end: bool,
        /// Whether processed ids have to be asked for still.
        recovery: Recovery,
    },
    /// The stream failed and will be opened again; the message says why.
    Interrupted(String),
    /// The history after the position is gone. Nothing more comes.
    HistoryLost,
}

/// Whether to ask the store which records were processed already, since it has no position of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Recovery {
    /// Up to the source's present time, which is not known yet.
    Begins,
    /// Up to this time.
    Until(ClusterTime),
    /// No.
    Over,
}

/// Reads a stream, opening it again after every failure at the place where it stopped.
pub(crate) struct Feed {
    pub(crate) id: SubscriptionId,
    pub(crate) watcher: Arc<dyn Watcher>,
    pub(crate) store: Arc<dyn StateStore>,
    pub(crate) target: WatchTarget,
    pub(crate) filter: Option<Arc<dyn Filter>>,
    pub(crate) recovery: Recovery,
    pub(crate) limits: BatchLimits,
}

/// How long to wait before asking again for what the source does not allow.
const INVALID_WAIT: Duration = Duration::from_secs(5);

impl Feed {
    /// Reads from `position` on, until the receiver is gone or the history is lost.
    pub(crate) async fn run(mut self, mut position: Position, events: mpsc::Sender<FeedEvent>) {
        let mut backoff = Backoff::default();
        loop {
            let failure = match self
                .watcher
                .open(std::slice::from_ref(&self.target), &position)
                .await
            {
                Ok(stream) => self.read(stream, &mut position, &mut backoff, &events).await,
                Err(error) => Some(error),
            };
            let Some(error) = failure else { return };
            let wait = match error.kind() {
                WatchErrorKind::HistoryLost => {
                    tracing::error!(
                        subscription = %self.id, ?position, %error,
                        "the source no longer has the history after the position: halted; rewind to go on"
                    );
                    let _ = events.send(FeedEvent::HistoryLost).await;
                    return;
                }
                WatchErrorKind::Unavailable => backoff.next(),
                WatchErrorKind::Invalid => INVALID_WAIT,
            };
            tracing::warn!(subscription = %self.id, %error, source = ?std::error::Error::source(&error).map(ToString::to_string), retry_in = ?wait, "the change stream failed");
            if events
                .send(FeedEvent::Interrupted(error.to_string()))
                .await
                .is_err()
            {
                return;
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Hands on batches until the stream fails; `None` if nobody listens any more.
    async fn read(
        &mut self,
        mut stream: Box<dyn RecordStream>,
        position: &mut Position,
        backoff: &mut Backoff,
        events: &mpsc::Sender<FeedEvent>,
    ) -> Option<WatchError> {
        loop {
            let batch = match stream.next_batch(self.limits).await {
                Ok(batch) => batch,
                Err(error) => return Some(error),
            };
            if backoff.reset() {
                tracing::info!(subscription = %self.id, "the change stream is open again");
            }
            let done = self.processed_before(&batch).await;
            let StreamBatch {
                records,
                position: after,
                reached_end,
            } = batch;
            let records = records.into_iter().enumerate().map(|(index, record)| {
                let is_done = done.get(index) == Some(&true);
                let needs = self.needs(&record, is_done);
                (record, needs)
            });
            let records = records.collect();
            *position = after.clone();
            let event = FeedEvent::Batch {
                records,
                position: after,
                reached_end,
                recovery: self.recovery,
            };
            events.send(event).await.ok()?;
        }
    }

    fn needs(&self, record: &Record, is_done: bool) -> Needs {
        if self.filter.as_ref().is_some_and(|filter| !filter.matches(record)) {
            return Needs::NothingFiltered;
        }
        if is_done {
            return Needs::NothingProcessed;
        }
        Needs::Delivery
    }

    async fn begin_recovery(&mut self) -> ClusterTime {
        let mut backoff = Backoff::default();
        loop {
            match self.watcher.now().await {
                Ok(now) => {
                    self.recovery = Recovery::Until(now);
                    return now;
                }
                Err(error) => {
                    tracing::warn!(subscription = %self.id, %error, "cannot ask the source for its time");
                    tokio::time::sleep(backoff.next()).await;
                }
            }
        }
    }

    /// Asks the store which records of the batch were processed, while that is worth asking.
    async fn processed_before(&mut self, batch: &StreamBatch) -> Vec<bool> {
        let until = match self.recovery {
            Recovery::Over => return Vec::new(),
            Recovery::Until(until) => until,
            Recovery::Begins => self.begin_recovery().await,
        };
        if batch.records.first().is_some_and(|record| record.time() > until)
            || (batch.records.is_empty() && batch.position.time() > until)
        {
            self.recovery = Recovery::Over;
            return Vec::new();
        }
        if batch.records.is_empty() {
            return Vec::new();
        }
        let ids: Vec<ProcessedId> = batch
            .records
            .iter()
            .map(|record| ProcessedId::of(record))
            .collect();
        let mut backoff = Backoff::default();
        loop {
            match self.store.processed(&self.id, &ids).await {
                Ok(done) => return done,
                Err(error) => {
                    tracing::warn!(subscription = %self.id, %error, "cannot ask which records were processed");
                    tokio::time::sleep(backoff.next()).await;
                }
            }
        }
    }
}
