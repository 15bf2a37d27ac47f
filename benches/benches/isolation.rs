//! What a destination that hangs costs another one of the same collection: deliveries a second beside it, against those
//! without it, in turn. Needs `mongod` and `redis-server`:
//!
//! ```text
//! python3 scripts/servers.py --mongod -- cargo bench -p conduit-benches --bench isolation
//! ```
//!
//! `CONDUIT_BENCH_RECORDS` sets how many records (20,000), `CONDUIT_BENCH_ROUNDS` how many alternations (5).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bson::{Document, doc};
use conduit_core::{CollectionSpec, Conduit, DestinationId, SubscriptionSpec, Watcher};
use conduit_mongo::MongoWatcher;
use conduit_sinks::http::{HttpConfig, HttpSink};
use conduit_state::{RedisSettings, RedisStore};
use conduit_testkit::receiver::{Answer, Receiver};
use conduit_testkit::servers::{RedisServer, shared_mongodb_uri, unique_database_name};
use mongodb::Client;
use tokio::sync::oneshot;
use tokio::time::Instant;

type Failure = Box<dyn std::error::Error>;

fn setting(name: &str, default: usize) -> usize {
    let set = std::env::var(name).ok().and_then(|text| text.parse().ok());
    set.unwrap_or(default)
}

/// Delivers records that are in the oplog already; returns how many a second arrived at the destination that answers.
async fn run(records: usize, beside_one_that_hangs: bool) -> Result<f64, Failure> {
    let redis = RedisServer::start().await?;
    let client = Client::with_uri_str(shared_mongodb_uri().await).await?;
    let database = client.database(&unique_database_name());
    let receiver = Receiver::start().await;
    let arrived = Arc::new(AtomicUsize::new(0));
    receiver.answer_with({
        let arrived = Arc::clone(&arrived);
        move |received| {
            if received.target().starts_with("/hangs") {
                return Answer::Hang;
            }
            arrived.fetch_add(1, Ordering::Relaxed);
            Answer::Status(200)
        }
    });
    let watcher = MongoWatcher::new(database.clone());
    let start = watcher.now().await?;
    let documents =
        (0..records).map(|id| doc! {"_id": i64::try_from(id).unwrap_or(0), "text": "x".repeat(450)});
    database
        .collection::<Document>("orders")
        .insert_many(documents.collect::<Vec<Document>>())
        .await?;
    let destination = |path: &str| -> Result<SubscriptionSpec, Failure> {
        let config = HttpConfig::new(format!("http://{}/{path}", receiver.address()));
        Ok(SubscriptionSpec::new(DestinationId::new(path)?, HttpSink::new(config)?).with_start(start))
    };
    let mut spec = CollectionSpec::named("orders")?.with_subscription(destination("answers")?);
    if beside_one_that_hangs {
        spec = spec.with_subscription(destination("hangs")?);
    }
    let store = RedisStore::connect(&redis.uri(), RedisSettings::default())?;
    let conduit = Conduit::builder(Arc::new(watcher), Arc::new(store))
        .collection(spec)
        .build()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let began = Instant::now();
    let running = tokio::spawn(conduit.run_until(async {
        let _ = stopped.await;
    }));
    while arrived.load(Ordering::Relaxed) < records {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let took = began.elapsed().as_secs_f64();
    // What hangs need not be waited for.
    running.abort();
    drop(stop);
    database.drop().await?;
    #[allow(clippy::cast_precision_loss)]
    Ok(records as f64 / took)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (records, rounds) = (
        setting("CONDUIT_BENCH_RECORDS", 20_000),
        setting("CONDUIT_BENCH_ROUNDS", 5),
    );
    println!(
        "{records} records of 500 bytes to one destination, alone and beside one that hangs, in records/s"
    );
    println!("{:>10} {:>10} {:>8}", "alone", "beside", "ratio");
    let mut ratios = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let alone = run(records, false).await?;
        let beside = run(records, true).await?;
        println!("{alone:>10.0} {beside:>10.0} {:>8.2}", beside / alone);
        ratios.push(beside / alone);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio: {:.2}", ratios[ratios.len() / 2]);
    Ok(())
}
