//! A writer, a ledger, and one server that is killed or stopped again and again. `CONDUIT_CHAOS_WRITES` sets how many
//! writes. Everything at once, with more processes, is in `tests/chaos/`.

use std::collections::HashMap;
use std::time::Duration;

use bson::{Document, doc};
use conduit_testkit::receiver::{Ledger, Receiver};
use mongodb::Collection;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::harness::{World, streaming};

/// A small generator, so that a run can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn writes() -> u64 {
    std::env::var("CONDUIT_CHAOS_WRITES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(4_000)
}

/// Inserts, updates and deletes at random over a tenth as many documents; returns how many changes each document had.
fn write_at_random(collection: &Collection<Document>) -> JoinHandle<HashMap<i64, usize>> {
    let collection = collection.clone();
    tokio::spawn(async move {
        let mut random = Random(7);
        let mut living: HashMap<i64, bool> = HashMap::new();
        let mut changes: HashMap<i64, usize> = HashMap::new();
        for number in 0..writes() {
            let id = i64::try_from(random.below(writes() / 10)).unwrap();
            let is_alive = living.entry(id).or_insert(false);
            let dies = random.below(5) == 0;
            let value = i64::try_from(number).unwrap();
            // Every write is repeated until the server answers; a write of the same value twice changes nothing, so a lost
            // answer is counted once.
            loop {
                let written = match (*is_alive, dies) {
                    (false, _) => {
                        let fresh = doc! {"$setOnInsert": {"value": value}};
                        collection
                            .update_one(doc! {"_id": id}, fresh)
                            .upsert(true)
                            .await
                            .map(|_| ())
                    }
                    (true, true) => collection.delete_one(doc! {"_id": id}).await.map(|_| ()),
                    (true, false) => {
                        let update = doc! {"$set": {"value": value}};
                        collection.update_one(doc! {"_id": id}, update).await.map(|_| ())
                    }
                };
                match written {
                    Ok(()) => break,
                    Err(_) => sleep(Duration::from_millis(50)).await,
                }
            }
            *is_alive = !(*is_alive && dies);
            *changes.entry(id).or_insert(0) += 1;
        }
        changes
    })
}

/// Waits until every change arrived and checks each document's account.
async fn settle(receiver: &Receiver, changes: &HashMap<i64, usize>) -> Ledger {
    let total: usize = changes.values().sum();
    let deadline = Instant::now() + Duration::from_secs(240);
    let ledger = loop {
        let ledger = Ledger::of_acknowledged(&receiver.received());
        if ledger.count() >= total || Instant::now() > deadline {
            break ledger;
        }
        sleep(Duration::from_millis(200)).await;
    };
    assert_eq!(ledger.count(), total, "changes that arrived");
    ledger.assert_clean();
    for (id, wanted) in changes {
        assert_eq!(
            ledger.of_key("orders", &json!({"_id": id})).len(),
            *wanted,
            "changes of document {id}"
        );
    }
    println!(
        "writes: {total}, lost: 0, out of order: 0, duplicates: {}",
        ledger.repeats()
    );
    ledger
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_again_and_again_loses_nothing_and_keeps_the_order() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let mut server = world.start("run").await;
    server.api.create(streaming("orders", &receiver)).await;
    let writing = write_at_random(&world.collection("orders"));
    let mut random = Random(11);
    for _ in 0..10 {
        sleep(Duration::from_millis(100 + random.below(400))).await;
        server.kill().await;
        server = world.spawn("run", &[]);
        server.until_ready().await;
    }
    settle(&receiver, &writing.await.unwrap()).await;
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_stopped_again_and_again_repeats_nothing_either() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let mut server = world.start("run").await;
    server.api.create(streaming("orders", &receiver)).await;
    let writing = write_at_random(&world.collection("orders"));
    let mut random = Random(13);
    for _ in 0..10 {
        sleep(Duration::from_millis(100 + random.below(400))).await;
        assert!(server.stop().await.success());
        server = world.start("run").await;
    }
    let ledger = settle(&receiver, &writing.await.unwrap()).await;
    assert_eq!(ledger.repeats(), 0);
    assert!(server.stop().await.success());
}
