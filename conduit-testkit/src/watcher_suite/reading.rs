//! An open stream, every batch of which is checked.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, timeout};

use conduit_core::{
    BatchLimits, Position, Record, RecordStream, StreamBatch, StreamIdentity, WatchError, WatchTarget,
};

/// Plenty, and a wait that is soon over.
pub(super) const LIMITS: BatchLimits = BatchLimits {
    max_records: 1000,
    max_bytes: 1 << 20,
    max_wait: Duration::from_millis(100),
};

/// An open stream, and what came of it.
pub(super) struct Reading {
    stream: Box<dyn RecordStream>,
    targets: Vec<WatchTarget>,
    patience: Duration,
    pub(super) position: Position,
    pub(super) records: Vec<Arc<Record>>,
}

impl Reading {
    /// A stream of `targets` after `start`; what must come comes within `patience`.
    pub(super) fn new(
        stream: Box<dyn RecordStream>,
        targets: &[WatchTarget],
        start: &Position,
        patience: Duration,
    ) -> Self {
        Self {
            stream,
            targets: targets.to_vec(),
            patience,
            position: start.clone(),
            records: Vec::new(),
        }
    }

    /// Reads a batch and checks what holds of every one: records of the targets in the order of their
    /// changes, all of them after the position before and covered by the position behind, which does not go
    /// back.
    pub(super) async fn batch(&mut self, limits: BatchLimits) -> StreamBatch {
        let batch = timeout(self.patience + limits.max_wait, self.stream.next_batch(limits)).await;
        let batch = batch.expect("a batch comes").expect("the stream goes on");
        self.take(&batch);
        batch
    }

    /// Checks a batch and keeps it.
    fn take(&mut self, batch: &StreamBatch) {
        let (before, behind) = (&self.position, &batch.position);
        assert!(
            behind >= before,
            "the position goes back: {before:?} to {behind:?}"
        );
        for record in &batch.records {
            let (time, sequence) = (record.time(), record.sequence());
            assert!(
                !before.covers(time, sequence),
                "{record:?} is not after {before:?}"
            );
            assert!(
                behind.covers(time, sequence),
                "{record:?} is not covered by {behind:?}"
            );
            let of_target = |target: &WatchTarget| target.collection == *record.collection();
            assert!(self.targets.iter().any(of_target), "{record:?} is of no target");
            if let Some(last) = self.records.last() {
                assert!(
                    (last.time(), last.sequence()) < (time, sequence),
                    "{record:?} comes after {last:?}, but is not after it"
                );
            }
            self.records.push(record.clone());
        }
        if let Some(last) = batch.records.last() {
            assert!(
                last.sequence().is_last_of_change(),
                "a change is torn behind {last:?}"
            );
        }
        self.position = behind.clone();
    }

    /// Reads until the record of the document `id` came.
    pub(super) async fn read_until(&mut self, id: &str) {
        self.read_until_within(id, LIMITS).await;
    }

    /// The same, batch by batch within these limits; returns the batches.
    pub(super) async fn read_until_within(&mut self, id: &str, limits: BatchLimits) -> Vec<StreamBatch> {
        let deadline = Instant::now() + self.patience;
        let mut batches = Vec::new();
        while !self.records.iter().any(|record| document(record) == id) {
            assert!(
                Instant::now() < deadline,
                "the change of {id:?} does not come, only {:?}",
                self.records
            );
            batches.push(self.batch(limits).await);
        }
        batches
    }

    /// Reads batches until one says that there is nothing more.
    pub(super) async fn read_to_the_end(&mut self) {
        let deadline = Instant::now() + self.patience;
        while !self.batch(LIMITS).await.reached_end {
            assert!(
                Instant::now() < deadline,
                "no batch says that there is nothing more"
            );
        }
    }

    /// Reads until so many records came.
    pub(super) async fn read_count(&mut self, count: usize) {
        let deadline = Instant::now() + self.patience;
        while self.records.len() < count {
            assert!(Instant::now() < deadline, "only {:?} came", self.records);
            self.batch(LIMITS).await;
        }
    }

    /// Reads batches, which bring no record, until one brings a position after `before`.
    pub(super) async fn idle_until_after(&mut self, before: &Position) {
        let deadline = Instant::now() + self.patience;
        while self.position <= *before {
            assert!(Instant::now() < deadline, "the position stays at {before:?}");
            let batch = self.batch(LIMITS).await;
            assert_eq!(batch.records.len(), 0);
        }
    }

    /// Begins to read a batch and drops it if it does not come within so many polls.
    pub(super) async fn batch_within_polls(&mut self, polls: usize, limits: BatchLimits) {
        let next = crate::clause::give_up_after(polls, self.stream.next_batch(limits));
        let batch = timeout(self.patience, next).await.expect("the polls come");
        if let Some(batch) = batch {
            self.take(&batch.expect("the stream goes on"));
        }
    }

    /// Reads until the stream fails.
    pub(super) async fn failure(&mut self) -> WatchError {
        let deadline = Instant::now() + self.patience;
        loop {
            assert!(Instant::now() < deadline, "the stream does not fail");
            match timeout(self.patience, self.stream.next_batch(LIMITS))
                .await
                .expect("an answer comes")
            {
                Ok(batch) => assert!(batch.records.is_empty(), "{:?} came", batch.records),
                Err(error) => return error,
            }
        }
    }

    /// The documents of the records so far, by their `_id` or whatever their keys hold.
    pub(super) fn ids(&self) -> Vec<String> {
        self.records.iter().map(|record| document(record)).collect()
    }

    /// The position after the `n`th record so far.
    pub(super) fn position_after(&self, n: usize) -> Position {
        let record = &self.records[n];
        let stream: &Arc<StreamIdentity> = self.position.stream();
        Position::after(record.time(), record.sequence().token(), stream.clone())
    }
}

/// The value of the record's key.
pub(super) fn document(record: &Record) -> String {
    let keys: Value = serde_json::from_slice(record.keys()).expect("keys are JSON");
    let value = keys.as_object().and_then(|keys| keys.values().next());
    match value.and_then(Value::as_str) {
        Some(value) => value.to_owned(),
        None => panic!("the keys of a document with a string as its key are {keys}"),
    }
}
