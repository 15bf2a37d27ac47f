//! Watchers that break the contract, each in one way.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::{
    BatchLimits, ClusterTime, CollectionName, EventId, Position, Record, RecordKey, RecordParts,
    RecordStream, RecordType, StreamBatch, WatchError, WatchTarget, Watcher,
};
use conduit_testkit::store_suite::collection;
use conduit_testkit::watcher_suite::{Change, WatcherHarness};

use crate::scripted::Source;

/// What is wrong with a watcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    LosesTheFirstChange,
    LeavesOutTheFirstChangeOfItsStart,
    BringsOtherCollections,
    SortsByCollection,
    EndsAtADrop,
    TellsAnEarlierTime,
    GoesOnOneChangeTooLate,
    LosesWhatComesAfterAnIdleTime,
    KeepsItsPositionWhileIdle,
    GoesOnAtTheEndForOtherTargets,
    TakesAnyPosition,
    CallsLostHistoryAnOutage,
    IgnoresMaxRecords,
    IgnoresMaxBytes,
    WaitsLonger,
    WaitsToTheEnd,
    SaysTheEndTooEarly,
    LosesADroppedBatch,
    TearsPairs,
    MakesEveryChangeAModify,
    GivesEveryChangeAKey,
    GivesAllRecordsOneId,
    NumbersRecordsByStream,
    RepeatsTheLastRecord,
    MovesThePositionTooFar,
}

#[derive(Debug)]
struct Flawed {
    watcher: Arc<dyn Watcher>,
    flaw: Flaw,
}

#[async_trait]
impl Watcher for Flawed {
    async fn open(
        &self,
        targets: &[WatchTarget],
        start: &Position,
    ) -> Result<Box<dyn RecordStream>, WatchError> {
        let mut targets = targets.to_vec();
        let mut start = start.clone();
        let is_resumed = start.token().is_some();
        match self.flaw {
            Flaw::BringsOtherCollections => targets.push(WatchTarget::new(collection("users"))),
            Flaw::TakesAnyPosition => start = Position::at_time(start.time()),
            Flaw::GoesOnOneChangeTooLate if is_resumed => {
                start = Position::at_time(ClusterTime::new(start.time().t + 2, 0));
            }
            Flaw::GoesOnAtTheEndForOtherTargets if is_resumed && targets.len() > 1 => {
                start = Position::at_time(self.watcher.now().await?);
            }
            Flaw::LeavesOutTheFirstChangeOfItsStart if start.time().t > 1 => {
                start = Position::at_time(ClusterTime::new(start.time().t + 1, 0));
            }
            _ => {}
        }
        let stream = match self.watcher.open(&targets, &start).await {
            Err(_) if self.flaw == Flaw::CallsLostHistoryAnOutage => {
                return Err(WatchError::unavailable("cannot open"));
            }
            opened => opened?,
        };
        Ok(Box::new(FlawedStream {
            stream,
            flaw: self.flaw,
            targets: targets.len(),
            taken: 0,
            position: start,
            held: None,
            last: None,
        }))
    }

    async fn now(&self) -> Result<ClusterTime, WatchError> {
        let now = self.watcher.now().await?;
        match self.flaw {
            Flaw::TellsAnEarlierTime => Ok(ClusterTime::new(now.t.saturating_sub(2), 0)),
            _ => Ok(now),
        }
    }
}

struct FlawedStream {
    stream: Box<dyn RecordStream>,
    flaw: Flaw,
    targets: usize,
    taken: usize,
    position: Position,
    held: Option<StreamBatch>,
    last: Option<Arc<Record>>,
}

#[async_trait]
impl RecordStream for FlawedStream {
    async fn next_batch(&mut self, limits: BatchLimits) -> Result<StreamBatch, WatchError> {
        let mut wider = limits;
        match self.flaw {
            Flaw::IgnoresMaxRecords => wider.max_records = 1000,
            Flaw::IgnoresMaxBytes => wider.max_bytes = usize::MAX,
            _ => {}
        }
        let asked = tokio::time::Instant::now();
        let mut batch = match self.held.take() {
            Some(held) => held,
            None => self.stream.next_batch(wider).await?,
        };
        match self.flaw {
            Flaw::WaitsLonger => tokio::time::sleep(limits.max_wait + Duration::from_secs(4)).await,
            Flaw::WaitsToTheEnd => tokio::time::sleep_until(asked + limits.max_wait).await,
            // Whatever was taken is gone if the call is dropped here.
            Flaw::LosesADroppedBatch => tokio::task::yield_now().await,
            Flaw::LosesTheFirstChange if self.taken == 0 && !batch.records.is_empty() => {
                batch.records.remove(0);
                self.taken += 1;
            }
            Flaw::LosesWhatComesAfterAnIdleTime if batch.records.is_empty() => {
                batch.position = Position::after(
                    ClusterTime::new(batch.position.time().t + 1, 0),
                    "Z",
                    batch.position.stream().clone(),
                );
            }
            Flaw::KeepsItsPositionWhileIdle if batch.records.is_empty() => {
                batch.position = self.position.clone();
            }
            Flaw::SortsByCollection => batch.records.sort_by_key(|record| record.collection().clone()),
            Flaw::SaysTheEndTooEarly => batch.reached_end = true,
            Flaw::TearsPairs if batch.records.len() > 1 && limits.max_records == 1 => {
                let rest = batch.records.split_off(1);
                self.held = Some(StreamBatch {
                    records: rest,
                    ..batch.clone()
                });
            }
            Flaw::RepeatsTheLastRecord => {
                let last = batch.records.last().cloned();
                let repeated = std::mem::replace(&mut self.last, last);
                if let Some(repeated) = repeated.filter(|_| !batch.records.is_empty()) {
                    batch.records.insert(0, repeated);
                }
            }
            Flaw::MovesThePositionTooFar if !batch.records.is_empty() => {
                let time = ClusterTime::new(batch.position.time().t + 1, 0);
                batch.position = Position::after(time, "Z", batch.position.stream().clone());
            }
            _ => {}
        }
        self.position = batch.position.clone();
        for record in &mut batch.records {
            self.taken += 1;
            *record = self.rewritten(record);
        }
        Ok(batch)
    }
}

impl FlawedStream {
    fn rewritten(&self, record: &Arc<Record>) -> Arc<Record> {
        let (mut event_id, mut key) = (record.event_id().clone(), record.key());
        let mut record_type = record.record_type();
        match self.flaw {
            Flaw::GivesAllRecordsOneId => event_id = EventId::new("event"),
            Flaw::NumbersRecordsByStream => {
                event_id = EventId::new(format!("event-{}-{}", self.targets, self.taken));
            }
            Flaw::GivesEveryChangeAKey => key = RecordKey::of(record.sequence().as_str().as_bytes()),
            Flaw::MakesEveryChangeAModify => record_type = RecordType::Modify,
            _ => return record.clone(),
        }
        let collection: CollectionName = record.collection().clone();
        Arc::new(Record::new(RecordParts {
            event_id,
            collection,
            record_type,
            key,
            keys: record.keys(),
            new_image: record.new_image().map(AsRef::as_ref),
            old_image: None,
            timestamp: record.timestamp(),
            time: record.time(),
            sequence: record.sequence().clone(),
        }))
    }
}

/// Makes watchers with one flaw.
pub(crate) struct Harness(pub(crate) Flaw);

#[async_trait]
impl WatcherHarness for Harness {
    type Guard = Source;

    async fn create(&self) -> (Source, Arc<dyn Watcher>) {
        let source = Source::default();
        let watcher = Flawed {
            watcher: Arc::new(source.watcher.clone()),
            flaw: self.0,
        };
        (source, Arc::new(watcher))
    }

    async fn change(&self, source: &Source, change: &Change<'_>) -> Result<(), &'static str> {
        if self.0 == Flaw::EndsAtADrop && matches!(change, Change::Drop { .. }) {
            source
                .watcher
                .fail_next_read(WatchError::invalid("the collection is gone"));
        }
        source.change(change)
    }

    fn keyed_target(&self, source: &Source, name: &str) -> Result<WatchTarget, &'static str> {
        Ok(source.keyed_target(name))
    }

    async fn lost_position(&self, source: &Source) -> Result<Position, &'static str> {
        Ok(source.lost_position())
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(1)
    }
}
