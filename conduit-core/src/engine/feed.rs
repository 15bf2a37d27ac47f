//! Says of each record of a subscription what it needs.

use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::backoff::Backoff;
use super::context::Context;
use super::hub::{HubEvent, Intake};
use super::spec::Filter;
use crate::contract::{ProcessedId, StateStore, StreamBatch, Watcher};
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

/// What the feed tells the subscription.
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

/// A batch, and which of its records were processed before.
type Known = (StreamBatch, Vec<bool>, Recovery);

/// Takes a subscription's records from the hub and judges them.
pub(crate) struct Feed {
    id: SubscriptionId,
    intake: Intake,
    watcher: Arc<dyn Watcher>,
    store: Arc<dyn StateStore>,
    filter: Option<Arc<dyn Filter>>,
    recovery: Recovery,
    /// The store is being asked for a batch.
    asking: Option<BoxFuture<'static, Known>>,
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Feed {
    /// Whether the stream is read for it now; else its turn comes.
    pub(crate) fn is_attached(&self) -> bool {
        self.intake.is_attached()
    }

    pub(crate) fn new(
        id: SubscriptionId,
        intake: Intake,
        context: &Context,
        filter: Option<Arc<dyn Filter>>,
        recovery: Recovery,
    ) -> Self {
        Self {
            id,
            intake,
            watcher: Arc::clone(&context.watcher),
            store: Arc::clone(&context.store),
            filter,
            recovery,
            asking: None,
        }
    }

    /// Waits for what is new; `None` if nothing comes any more. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<FeedEvent> {
        loop {
            if let Some(asking) = &mut self.asking {
                let (batch, done, recovery) = asking.await;
                self.asking = None;
                self.recovery = recovery;
                return Some(self.judge(batch, &done));
            }
            match self.intake.next().await? {
                HubEvent::Batch(batch) if self.recovery == Recovery::Over => {
                    return Some(self.judge(batch, &[]));
                }
                HubEvent::Batch(batch) => self.asking = Some(self.ask(batch)),
                HubEvent::Interrupted(why) => return Some(FeedEvent::Interrupted(why.to_string())),
                HubEvent::HistoryLost => return Some(FeedEvent::HistoryLost),
            }
        }
    }

    fn judge(&self, batch: StreamBatch, done: &[bool]) -> FeedEvent {
        let records = batch.records.into_iter().enumerate().map(|(index, record)| {
            let needs = self.needs(&record, done.get(index) == Some(&true));
            (record, needs)
        });
        FeedEvent::Batch {
            records: records.collect(),
            position: batch.position,
            reached_end: batch.reached_end,
            recovery: self.recovery,
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

    /// Asks the store which records of the batch were processed, while that is worth asking.
    fn ask(&self, batch: StreamBatch) -> BoxFuture<'static, Known> {
        let (id, recovery) = (self.id.clone(), self.recovery);
        let (watcher, store) = (Arc::clone(&self.watcher), Arc::clone(&self.store));
        async move {
            let until = match recovery {
                Recovery::Over => return (batch, Vec::new(), recovery),
                Recovery::Until(until) => until,
                Recovery::Begins => present(&id, &*watcher).await,
            };
            let begins_after = match batch.records.first() {
                Some(first) => first.time() > until,
                None => batch.position.time() > until,
            };
            if begins_after {
                return (batch, Vec::new(), Recovery::Over);
            }
            let done = processed(&id, &*store, &batch).await;
            (batch, done, Recovery::Until(until))
        }
        .boxed()
    }
}

/// The source's present time.
async fn present(id: &SubscriptionId, watcher: &dyn Watcher) -> ClusterTime {
    let mut backoff = Backoff::default();
    loop {
        match watcher.now().await {
            Ok(now) => return now,
            Err(error) => {
                tracing::warn!(collection = %id.collection, destination = %id.destination, %error, "cannot ask the source for its time");
                tokio::time::sleep(backoff.next()).await;
            }
        }
    }
}

async fn processed(id: &SubscriptionId, store: &dyn StateStore, batch: &StreamBatch) -> Vec<bool> {
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
        match store.processed(id, &ids).await {
            Ok(done) => return done,
            Err(error) => {
                tracing::warn!(collection = %id.collection, destination = %id.destination, %error, "cannot ask which records were processed");
                tokio::time::sleep(backoff.next()).await;
            }
        }
    }
}
