//! The sink under the real engine, which decides what comes again, and when.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use conduit_core::{
    ClusterTime, CollectionSpec, Conduit, DestinationId, RecordType, RetryPolicy, SubscriptionSpec,
};
use conduit_state::MemoryStore;
use conduit_testkit::ScriptedWatcher;
use conduit_testkit::meilisearch::{MeilisearchStub, When};
use conduit_testkit::receiver::Answer;
use fastrand::Rng;
use tokio::sync::oneshot;
use tokio::time;

use crate::server;
use crate::{SHORT, config_of};

const CHANGES: u64 = 1500;

/// Writes a history of 200 documents and returns what is there in the end.
fn write(watcher: &ScriptedWatcher, rng: &mut Rng) -> BTreeMap<String, u64> {
    let mut collection = BTreeMap::new();
    for value in 0..CHANGES {
        let key = format!("k{}", rng.u8(..200));
        let record_type = match collection.contains_key(&key) {
            true if rng.u8(..4) == 0 => RecordType::Remove,
            true => RecordType::Modify,
            false => RecordType::Insert,
        };
        watcher.change("orders", &key, record_type, value);
        match record_type {
            RecordType::Remove => collection.remove(&key),
            _ => collection.insert(key, value),
        };
    }
    collection
}

/// Fails some tasks and requests, and keeps tasks running past the call's time, as long as not too many came.
fn inject(stub: &MeilisearchStub, mut rng: Rng) {
    let faults = Arc::new(AtomicU32::new(0));
    let left = faults.clone();
    let of_tasks = std::sync::Mutex::new(rng.fork());
    stub.fail_tasks(move || {
        let is_failed = of_tasks.lock().unwrap().u8(..10) == 0;
        let may = is_failed && left.fetch_add(1, Ordering::SeqCst) < 12;
        may.then_some(("invalid_document_fields", "invalid_request"))
    });
    let rng = std::sync::Mutex::new(rng);
    stub.spoil(move |request| {
        let is_write = request.method() != "GET";
        let mut rng = rng.lock().unwrap();
        if !is_write || rng.u8(..8) != 0 || faults.fetch_add(1, Ordering::SeqCst) >= 12 {
            return None;
        }
        Some(match rng.u8(..3) {
            0 => (When::After, Answer::CloseBeforeAnswer),
            1 => (When::Before, Answer::Status(500)),
            _ => (When::Before, Answer::with_header(429, "Retry-After", "0")),
        })
    });
}

#[tokio::test]
async fn under_the_engine_too_the_index_ends_as_the_collection() {
    let stub = MeilisearchStub::start().await;
    let mut rng = Rng::with_seed(3);
    let watcher = ScriptedWatcher::new();
    let expected = write(&watcher, &mut rng);
    inject(&stub, rng.fork());
    // Longer than a call may take: the first tasks are not seen to end.
    stub.set_delay(SHORT + SHORT / 2);

    let sink = server::sink(config_of(&stub).with_timeout(SHORT));
    let subscription = SubscriptionSpec::new(DestinationId::new("search".to_owned()).unwrap(), sink)
        .with_start(ClusterTime::new(1, 0))
        .with_retry(RetryPolicy::with_max_retries(20));
    let collection = CollectionSpec::named("orders")
        .unwrap()
        .with_subscription(subscription);
    let conduit = Conduit::builder(Arc::new(watcher), Arc::new(MemoryStore::new()))
        .collection(collection)
        .build()
        .unwrap();
    let handle = conduit.handle();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(conduit.run_until(async {
        let _ = stopped.await;
    }));

    let is_through = || {
        let all = handle.status();
        let mut destinations = all.iter().flat_map(|collection| &collection.destinations);
        destinations.any(|status| status.lag_seconds == Some(0.0) && status.retry_length == 0)
    };
    let waiting = async {
        stub.wait_for_document_tasks(2).await;
        time::sleep(2 * SHORT).await;
        stub.set_delay(Duration::ZERO);
        while !is_through() {
            time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = time::timeout(Duration::from_secs(120), waiting).await;
    waited.unwrap_or_else(|_| panic!("never through: {:?}", handle.status()));
    drop(stop);
    running.await.unwrap().unwrap();

    let documents = stub.documents("orders");
    let found: BTreeMap<String, u64> = documents
        .values()
        .map(|document| {
            let key = document["_id"].as_str().unwrap().to_owned();
            (key, document["value"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(found, expected);
    println!("{} tasks of {CHANGES} changes", stub.tasks().len());
}
