//! A sink under test, and the steps that clauses are told in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use conduit_core::{Delivery, Record, RecordBatch, RecordKey, SameKey, Sink, SinkError, SinkLimits};

use super::samples::record;
use super::{Behaviour, SinkHarness};
use crate::clause;

/// How long a call may take where nothing is wrong with the destination.
const PATIENCE: Duration = Duration::from_secs(30);

/// A sink under test, with its destination.
#[derive(Debug)]
pub struct Scene<H: SinkHarness> {
    clause: &'static str,
    harness: H,
    guard: H::Guard,
    sink: Arc<dyn Sink>,
}

impl<H: SinkHarness> Scene<H> {
    /// Creates the destination and its sink.
    pub(super) async fn set(clause: &'static str, harness: H) -> Self {
        let (guard, sink) = harness.create().await;
        Self {
            clause,
            harness,
            guard,
            sink,
        }
    }

    pub(super) fn harness(&self) -> &H {
        &self.harness
    }

    pub(super) fn sink(&self) -> &Arc<dyn Sink> {
        &self.sink
    }

    pub(super) fn limits(&self) -> SinkLimits {
        self.sink.limits()
    }

    /// Makes the destination behave like this. If it cannot, says that the clause is left out and returns
    /// false.
    pub(super) async fn behave(&self, behaviour: Behaviour) -> bool {
        match self.harness.behave(&self.guard, &behaviour).await {
            Ok(()) => true,
            Err(reason) => {
                clause::say_skipped(self.clause, reason);
                false
            }
        }
    }

    /// The same, without a word if it cannot.
    pub(super) async fn try_behave(&self, behaviour: &Behaviour) -> bool {
        self.harness.behave(&self.guard, behaviour).await.is_ok()
    }

    /// Makes the destination take everything again.
    pub(super) async fn recover(&self) {
        let well = self.harness.behave(&self.guard, &Behaviour::Well).await;
        well.expect("a destination that can fail can be well again");
    }

    /// The first `count` of the changes from `first` on that one call may hold: if it may hold a key twice,
    /// of two keys, else each of a key of its own.
    pub(super) fn call(&self, first: usize, count: usize) -> Vec<Arc<Record>> {
        let limits = self.limits();
        let key = |n: usize| match limits.same_key {
            SameKey::InOrder => format!("document-{}", n % 2),
            SameKey::OncePerCall => format!("document-{n}"),
        };
        let mut bytes = 0;
        (first..first + count.min(limits.max_records))
            .map(|n| record(n, &key(n)))
            .take_while(|record| {
                bytes += record.size();
                bytes <= limits.max_bytes
            })
            .collect()
    }

    /// Makes a call as the engine does: it is dropped when the sink's own time-out is over.
    pub(super) async fn deliver(&self, records: &[Arc<Record>]) -> Result<Delivery, SinkError> {
        let batch = RecordBatch::new(records.to_vec());
        let patience = self.limits().timeout.min(PATIENCE);
        match timeout(patience, self.sink.deliver(&batch)).await {
            Ok(answer) => answer,
            Err(_) => Err(SinkError::timeout("the call was dropped, as the engine drops it")),
        }
    }

    /// Makes a call of one record and returns why it failed.
    pub(super) async fn failure(&self, record: &Arc<Record>) -> SinkError {
        match self.deliver(std::slice::from_ref(record)).await {
            Err(error) => error,
            Ok(mut delivery) => match delivery.failed.pop() {
                Some((0, error)) => error,
                Some((index, _)) => panic!("record {index} of a call of one is told to have failed"),
                None => panic!("the record is told to be delivered"),
            },
        }
    }

    /// Makes a call and expects that all of it is delivered.
    pub(super) async fn delivered(&self, records: &[Arc<Record>]) {
        let delivery = self.deliver(records).await.expect("the call is answered well");
        assert!(
            delivery.failed.is_empty(),
            "records failed though nothing is wrong: {:?}",
            delivery.failed
        );
    }

    pub(super) async fn arrived(&self) -> Vec<Vec<u8>> {
        self.harness.arrived(&self.guard).await
    }

    /// The event ids of all that arrived, in order.
    pub(super) async fn arrived_ids(&self) -> Vec<String> {
        self.arrived().await.iter().map(|json| event_id(json)).collect()
    }

    /// Expects that exactly these records arrived, each once, those of each key in this order.
    pub(super) async fn has_exactly(&self, records: &[Arc<Record>]) {
        let arrived = self.arrived_ids().await;
        assert_eq!(
            arrived.iter().collect::<BTreeSet<_>>(),
            ids(records).iter().collect::<BTreeSet<_>>(),
            "not what was delivered"
        );
        assert_eq!(
            arrived.len(),
            records.len(),
            "some arrived more than once: {arrived:?}"
        );
        assert_in_order(&arrived, records);
    }

    /// Expects that these records arrived, each at least once, those of each key in this order by their first
    /// arrivals.
    pub(super) async fn has_all(&self, records: &[Arc<Record>]) {
        let arrived = self.arrived_ids().await;
        for id in ids(records) {
            assert!(arrived.contains(&id), "{id} did not arrive, but {arrived:?}");
        }
        assert_in_order(&arrived, records);
    }
}

/// The event ids of records, in order.
pub(super) fn ids(records: &[Arc<Record>]) -> Vec<String> {
    records
        .iter()
        .map(|record| record.event_id().to_string())
        .collect()
}

fn assert_in_order(arrived: &[String], records: &[Arc<Record>]) {
    let mut keys: BTreeMap<RecordKey, Vec<String>> = BTreeMap::new();
    for record in records {
        keys.entry(record.key())
            .or_default()
            .push(record.event_id().to_string());
    }
    for expected in keys.values() {
        let mut firsts: Vec<String> = Vec::new();
        for id in arrived.iter().filter(|id| expected.contains(id)) {
            if !firsts.contains(id) {
                firsts.push(id.clone());
            }
        }
        assert_eq!(&firsts, expected, "records of one key arrived in another order");
    }
}

fn event_id(json: &[u8]) -> String {
    let record: Value =
        serde_json::from_slice(json).unwrap_or_else(|error| panic!("what arrived is no record: {error}"));
    match record.get("eventID").and_then(Value::as_str) {
        Some(id) => id.to_owned(),
        None => panic!("what arrived has no eventID"),
    }
}
