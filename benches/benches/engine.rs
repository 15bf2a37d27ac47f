//! What the engine itself costs a record: a source and a store in memory, a sink that does nothing, on one thread. Beside it
//! the source alone, read to its end. Records a second, and how often and how much is allocated for each.
//!
//! ```text
//! cargo bench -p conduit-benches --bench engine
//! ```
//!
//! `CONDUIT_BENCH_RECORDS` sets how many records (50,000), `CONDUIT_BENCH_ROUNDS` how many turns (5); medians are told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::{
    BatchLimits, ClusterTime, CollectionName, CollectionSpec, Conduit, Delivery, DestinationId, Position,
    RecordBatch, SameKey, Sink, SinkError, SinkLimits, SubscriptionSpec, WatchTarget, Watcher,
};
use conduit_state::MemoryStore;
use conduit_testkit::ScriptedWatcher;
use tokio::sync::Notify;
use tokio::time::Instant;

type Failure = Box<dyn std::error::Error>;

const COLLECTION: &str = "orders";
/// The first change of a scripted source has this time.
const START: ClusterTime = ClusterTime::new(1, 0);
/// The padding that makes a record about as large as one of a document of 500 bytes.
const PAD: usize = 600;

/// Takes everything, and tells when that was all.
#[derive(Debug)]
struct NullSink {
    records_a_call: usize,
    left: AtomicUsize,
    done: Notify,
}

#[async_trait]
impl Sink for NullSink {
    fn limits(&self) -> SinkLimits {
        SinkLimits {
            max_records: self.records_a_call,
            same_key: SameKey::InOrder,
            ..SinkLimits::default()
        }
    }

    async fn deliver(&self, batch: &RecordBatch) -> Result<Delivery, SinkError> {
        let records = batch.records().len();
        if self.left.fetch_sub(records, Ordering::Relaxed) == records {
            self.done.notify_one();
        }
        Ok(Delivery::complete())
    }
}

/// What is measured, in turn.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// The source alone.
    Source,
    /// The engine, so many records a call.
    Engine(usize),
}

const WAYS: [(&str, Way); 3] = [
    ("the source alone", Way::Source),
    ("the engine, 500 records a call", Way::Engine(500)),
    ("the engine, 1 record a call", Way::Engine(1)),
];

async fn read(watcher: ScriptedWatcher, records: usize) -> Result<(), Failure> {
    let target = WatchTarget::new(CollectionName::new(COLLECTION)?);
    let mut stream = watcher.open(&[target], &Position::at_time(START)).await?;
    let limits = BatchLimits {
        max_records: 1000,
        max_bytes: 4 * 1024 * 1024,
        max_wait: Duration::from_millis(100),
    };
    let mut read = 0;
    while read < records {
        read += stream.next_batch(limits).await?.records.len();
    }
    Ok(())
}

async fn deliver(watcher: ScriptedWatcher, records: usize, records_a_call: usize) -> Result<(), Failure> {
    let sink = Arc::new(NullSink {
        records_a_call,
        left: AtomicUsize::new(records),
        done: Notify::new(),
    });
    let subscription =
        SubscriptionSpec::new(DestinationId::new("null")?, Arc::clone(&sink)).with_start(START);
    let conduit = Conduit::builder(Arc::new(watcher), Arc::new(MemoryStore::new()))
        .collection(CollectionSpec::named(COLLECTION)?.with_subscription(subscription))
        .build()?;
    conduit.run_until(sink.done.notified()).await?;
    Ok(())
}

/// What one run found.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    nanoseconds: f64,
    allocations: f64,
    bytes: f64,
}

#[allow(clippy::cast_precision_loss)]
fn run(watcher: &ScriptedWatcher, records: usize, way: Way) -> Result<Cost, Failure> {
    // The counter counts one thread's allocations, so there is only one.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut outcome, mut took) = (Ok(()), Duration::ZERO);
    let counted = allocation_counter::measure(|| {
        outcome = runtime.block_on(async {
            let began = Instant::now();
            match way {
                Way::Source => read(watcher.clone(), records).await?,
                Way::Engine(records_a_call) => deliver(watcher.clone(), records, records_a_call).await?,
            }
            took = began.elapsed();
            Ok(())
        });
    });
    outcome.map(|()| Cost {
        nanoseconds: took.as_nanos() as f64 / records as f64,
        allocations: counted.count_total as f64 / records as f64,
        bytes: counted.bytes_total as f64 / records as f64,
    })
}

fn median(costs: &[Cost], of: impl Fn(&Cost) -> f64) -> f64 {
    let mut values: Vec<f64> = costs.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn setting(name: &str, default: usize) -> usize {
    let set = std::env::var(name).ok().and_then(|text| text.parse().ok());
    set.unwrap_or(default)
}

fn main() -> Result<(), Failure> {
    let (records, rounds) = (
        setting("CONDUIT_BENCH_RECORDS", 50_000),
        setting("CONDUIT_BENCH_ROUNDS", 5),
    );
    let watcher = ScriptedWatcher::new();
    for number in 0..records {
        watcher.insert_padded(COLLECTION, &format!("{number:024x}"), PAD);
    }
    let mut costs = vec![Vec::new(); WAYS.len()];
    for _ in 0..rounds {
        for ((_, way), costs) in WAYS.into_iter().zip(&mut costs) {
            costs.push(run(&watcher, records, way)?);
        }
    }
    println!("{records} records, medians of {rounds} turns");
    println!(
        "{:<32} {:>10} {:>12} {:>8}",
        "", "ns/record", "allocations", "bytes"
    );
    for ((name, _), costs) in WAYS.into_iter().zip(&costs) {
        println!(
            "{name:<32} {:>10.0} {:>12.2} {:>8.0}",
            median(costs, |cost| cost.nanoseconds),
            median(costs, |cost| cost.allocations),
            median(costs, |cost| cost.bytes),
        );
    }
    Ok(())
}
