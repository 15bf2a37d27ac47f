//! Calls of many records to a destination that takes or refuses them as a whole.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::{
    Delivery, LetterSelection, Record, RecordBatch, RecordType, Sink, SinkError, SinkLimits,
    SubscriptionPhase,
};
use conduit_testkit::{Answer, RecordingSink};
use tokio::time::Instant;

use crate::harness::{World, c, collection, key_of, subscription, value_of, values_of};
use crate::outage::Outage;

/// How long a call takes.
const TAKES: Duration = Duration::from_millis(100);

type Script = dyn Fn(&[Arc<Record>]) -> Result<(), SinkError> + Send + Sync;

/// A sink that answers for each call as a whole, and remembers the calls that it took, by key and value.
#[derive(Clone)]
struct WholeSink {
    limits: SinkLimits,
    script: Arc<Script>,
    calls: Arc<Mutex<Vec<Call>>>,
}

/// A call's records, and whether they were taken.
type Call = (Vec<(String, u64)>, bool);

impl fmt::Debug for WholeSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WholeSink")
    }
}

impl WholeSink {
    fn new(
        max_records: usize,
        script: impl Fn(&[Arc<Record>]) -> Result<(), SinkError> + Send + Sync + 'static,
    ) -> Self {
        let limits = SinkLimits {
            max_records,
            concurrency: 1,
            ..SinkLimits::default()
        };
        Self {
            limits,
            script: Arc::new(script),
            calls: Arc::default(),
        }
    }

    /// How many records each call had.
    fn sizes(&self) -> Vec<usize> {
        self.calls
            .lock()
            .unwrap()
            .iter()
            .map(|(call, _)| call.len())
            .collect()
    }

    /// The values that were taken of each document, in order.
    fn taken(&self) -> HashMap<String, Vec<u64>> {
        let mut taken: HashMap<String, Vec<u64>> = HashMap::new();
        for (records, _) in self
            .calls
            .lock()
            .unwrap()
            .iter()
            .filter(|(_, is_taken)| *is_taken)
        {
            for (key, value) in records {
                taken.entry(key.clone()).or_default().push(*value);
            }
        }
        taken
    }
}

#[async_trait]
impl Sink for WholeSink {
    fn limits(&self) -> SinkLimits {
        self.limits
    }

    async fn deliver(&self, batch: &RecordBatch) -> Result<Delivery, SinkError> {
        tokio::time::sleep(TAKES).await;
        let answer = (self.script)(batch.records());
        let records = batch
            .records()
            .iter()
            .map(|record| (key_of(record), value_of(record)));
        let call = (records.collect(), answer.is_ok());
        self.calls.lock().unwrap().push(call);
        answer.map(|()| Delivery::complete())
    }
}

/// Refuses every call that holds the value.
fn poisoned(bad: u64, error: fn() -> SinkError) -> WholeSink {
    WholeSink::new(64, move |records| {
        if records.iter().any(|record| value_of(record) == bad) {
            return Err(error());
        }
        Ok(())
    })
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_refused_as_a_whole_is_halved_until_the_bad_record_is_alone() {
    let errors: [fn() -> SinkError; 3] = [
        || SinkError::rejected("HTTP 400"),
        || SinkError::unavailable("HTTP 500"),
        || SinkError::undeliverable("too large together"),
    ];
    for error in errors {
        let world = World::new();
        let sink = poisoned(40, error);
        for value in 0..64 {
            let key = format!("k{value}");
            world.watcher.change("c", &key, RecordType::Modify, value);
        }
        let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 0)])]);
        running
            .until("d", |status| status.delivered == 63 && status.dlq_length == 1)
            .await;
        running.stop().await;
        let letters = world.dead_letters().await;
        assert_eq!(letters[0]["record"]["newImage"]["value"], 40);
        assert_eq!(letters[0]["attempts"], 1, "a call with others is no attempt");
        assert_eq!(sink.taken().len(), 63);
        assert!(sink.taken().values().all(|values| values.len() == 1));
        let calls = sink.sizes().len();
        assert!(calls <= 13, "{calls} calls to find one of 64");
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_records_of_many_documents_go_together_and_what_failed_before_alone() {
    const KEYS: u64 = 50;
    let world = World::new();
    let is_down = Arc::new(AtomicBool::new(true));
    let sink = WholeSink::new(KEYS as usize, {
        let is_down = Arc::clone(&is_down);
        // All of the call failed, and nothing is known of any of them.
        move |_| match is_down.load(Ordering::SeqCst) {
            true => Err(SinkError::timeout("no answer")),
            false => Ok(()),
        }
    });
    world.modify(0..KEYS, 0..1);
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    running.until("d", |status| status.retry_length == KEYS).await;
    world.modify(0..KEYS, 1..4);
    running.until("d", |status| status.retry_length == 4 * KEYS).await;
    is_down.store(false, Ordering::SeqCst);
    running.until_through("d").await;
    running.stop().await;
    for (key, values) in sink.taken() {
        assert_eq!(values, [0, 1, 2, 3], "{key}");
    }
    let sizes: Vec<usize> = sink
        .calls
        .lock()
        .unwrap()
        .iter()
        .filter(|(_, taken)| *taken)
        .map(|(call, _)| call.len())
        .collect();
    assert_eq!(
        sizes.iter().filter(|size| **size == 1).count(),
        KEYS as usize,
        "{sizes:?}"
    );
    assert!(
        sizes.len() <= KEYS as usize + 30,
        "{} calls: {sizes:?}",
        sizes.len()
    );
}

#[tokio::test(start_paused = true)]
async fn while_a_destination_of_large_calls_is_down_the_retry_queue_stays_flat_and_no_attempt_counts() {
    let world = World::new();
    let is_down = Arc::new(AtomicBool::new(true));
    let sink = WholeSink::new(64, {
        let is_down = Arc::clone(&is_down);
        move |_| match is_down.load(Ordering::SeqCst) {
            true => Err(SinkError::unavailable("HTTP 503")),
            false => Ok(()),
        }
    });
    world.modify(0..1000, 0..3);
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    running.until_phase("d", SubscriptionPhase::Holding).await;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_secs(60)).await;
        let waiting = running.status("d").unwrap().retry_length;
        assert!(waiting <= 100, "{waiting} records wait");
    }
    let asked = sink.sizes().len();
    assert!(asked <= 100, "{asked} calls while it was down");
    is_down.store(false, Ordering::SeqCst);
    running.until("d", |status| status.delivered == 3000).await;
    running.stop().await;
    assert!(world.dead_letters().await.is_empty());
    let taken = sink.taken();
    assert_eq!(taken.len(), 1000);
    for (key, values) in taken {
        assert_eq!(values, [0, 1, 2], "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_more_records_as_long_as_the_destination_says_and_no_longer_once_it_is_full() {
    let world = World::new();
    let mut sink = WholeSink::new(4, |_| Ok(()));
    sink.limits.linger = Duration::from_secs(5);
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 1)])]);
    for key in 0..2 {
        world.modify(key..key + 1, 0..1);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(sink.sizes().is_empty(), "it waits for more");
    running.until("d", |status| status.delivered == 2).await;
    assert_eq!(sink.sizes(), [2]);
    world.modify(0..4, 1..2);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(sink.sizes(), [2, 4], "a full call goes at once");
    // What waits for more when it ends is not waited for.
    world.modify(0..1, 2..3);
    tokio::time::sleep(Duration::from_secs(1)).await;
    running.stop().await;
    assert_eq!(sink.sizes(), [2, 4]);
}

/// Each of them had to wait for the one before it, and then waited for others as if it had just come.
#[tokio::test(start_paused = true)]
async fn records_of_one_document_do_not_each_wait_for_more_records() {
    let world = World::new();
    let mut sink = WholeSink::new(64, |_| Ok(()));
    sink.limits.linger = Duration::from_secs(5);
    let started = Instant::now();
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 1)])]);
    world.modify(0..1, 0..20);
    running.until("d", |status| status.delivered == 20).await;
    let took = started.elapsed();
    running.stop().await;
    assert!(took < Duration::from_secs(5) + 21 * TAKES, "{took:?}");
    assert_eq!(sink.taken()["k0"], (0..20).collect::<Vec<_>>());
}

/// A destination that is down may say so of each record by itself: that parked a whole call with every trial.
#[tokio::test(start_paused = true)]
async fn while_a_destination_is_down_that_answers_for_each_record_the_retry_queue_stays_flat() {
    let world = World::new();
    let outage = Outage::default();
    outage.begins();
    let limits = SinkLimits {
        max_records: 64,
        concurrency: 1,
        ..SinkLimits::default()
    };
    let sink = RecordingSink::with_limits(limits, {
        let outage = outage.clone();
        move |_, _| match outage.is_down() {
            true => Answer::Fail(SinkError::unavailable("HTTP 503")),
            false => Answer::Accept,
        }
    });
    world.modify(0..1000, 0..3);
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    running.until_phase("d", SubscriptionPhase::Holding).await;
    let at_first = running.status("d").unwrap().retry_length;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_secs(60)).await;
        let waiting = running.status("d").unwrap().retry_length;
        assert!(waiting <= at_first + 40, "{waiting} records wait");
    }
    outage.ends();
    running.until("d", |status| status.delivered == 3000).await;
    running.stop().await;
    assert!(world.dead_letters().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn many_waiting_records_of_a_few_documents_fill_their_calls() {
    let world = World::new();
    let is_mended = Arc::new(AtomicBool::new(false));
    let mut sink = WholeSink::new(10, {
        let is_mended = Arc::clone(&is_mended);
        move |_| match is_mended.load(Ordering::SeqCst) {
            true => Ok(()),
            false => Err(SinkError::rejected("HTTP 422")),
        }
    });
    sink.limits.concurrency = 4;
    world.modify(0..10, 0..60);
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 0)])]);
    running.until("d", |status| status.dlq_length == 600).await;
    is_mended.store(true, Ordering::SeqCst);
    let before = sink.sizes().len();
    let all = LetterSelection::default();
    running.handle.redrive(&c(), all, false).await.unwrap();
    running.until("d", |status| status.delivered == 600).await;
    running.stop().await;
    let calls = sink.sizes().len() - before;
    // The redriven come by pages, so that a few calls are not full.
    assert!(calls <= 250, "{calls} calls for 600 records, ten a call");
    for (key, values) in sink.taken() {
        assert_eq!(values, (0..60).collect::<Vec<_>>(), "{key}");
    }
}

/// Each document's waiting records went out beside those of all others, and took every call from the lanes.
#[tokio::test(start_paused = true)]
async fn many_documents_whose_waiting_records_are_slow_leave_the_lanes_their_calls() {
    const SLOW: u64 = 40;
    let world = World::new();
    let limits = SinkLimits {
        max_records: 10,
        concurrency: 4,
        ..SinkLimits::default()
    };
    let sink = RecordingSink::with_limits(limits, |record, before| match (value_of(record), before) {
        (0, 0) => Answer::Fail(SinkError::rejected("HTTP 422")),
        (1..100, _) => Answer::Slow(Duration::from_secs(20)),
        _ => Answer::Accept,
    });
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    world.modify(0..SLOW, 0..1);
    running.until("d", |status| status.retry_length == SLOW).await;
    world.modify(0..SLOW, 1..30);
    tokio::time::sleep(Duration::from_secs(60)).await;
    for other in SLOW..SLOW + 30 {
        world.modify(other..other + 1, 100..101);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(values_of(&sink, &format!("k{other}")), [100]);
    }
    running.kill().await;
}
