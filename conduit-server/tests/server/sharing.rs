use std::collections::BTreeSet;
use std::time::Duration;

use bson::{Document, doc};
use conduit_testkit::receiver::{Ledger, Receiver};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::harness::{Api, PATIENCE, World, streaming};

const NAMES: [&str; 4] = ["one", "two", "three", "four"];

/// Writes to collections in turn until it is told to stop; returns how many writes there were to each.
fn write_on(world: &World, names: &[&'static str]) -> (tokio::sync::oneshot::Sender<()>, JoinHandle<i64>) {
    let (stop, mut stopped) = tokio::sync::oneshot::channel();
    let collections: Vec<_> = names.iter().map(|name| world.collection(name)).collect();
    let writing = tokio::spawn(async move {
        let mut rounds = 0;
        while stopped.try_recv().is_err() {
            for collection in &collections {
                let update = doc! {"$set": {"value": rounds}};
                collection
                    .update_one(doc! {"_id": rounds % 10}, update)
                    .upsert(true)
                    .await
                    .unwrap();
            }
            rounds += 1;
        }
        rounds
    });
    (stop, writing)
}

/// Who holds each of the collections that somebody holds.
async fn holders(api: &Api) -> Vec<String> {
    let all = api.get("/api/status").await;
    let holders = all.as_array().unwrap().iter();
    holders
        .filter_map(|status| status["worker"].as_str().map(str::to_owned))
        .collect()
}

async fn settle(receiver: &Receiver, count: i64) -> Ledger {
    let count = usize::try_from(count).unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let ledger = Ledger::of_acknowledged(&receiver.received());
        if ledger.count() >= count || Instant::now() > deadline {
            ledger.assert_clean();
            assert_eq!(ledger.count(), count, "changes that arrived");
            return ledger;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_share_the_collections_and_one_has_all_soon_after_the_other_was_killed() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let api = world.start("api").await;
    for name in NAMES {
        api.api.create(streaming(name, &receiver)).await;
    }
    let first = world.start("worker").await;
    let (stop, writing) = write_on(&world, &NAMES);
    let deadline = Instant::now() + PATIENCE;
    while holders(&api.api).await.len() < NAMES.len() {
        assert!(Instant::now() < deadline, "{}", first.log());
        sleep(Duration::from_millis(50)).await;
    }
    let second = world.start("worker").await;
    let shared = loop {
        let holders = holders(&api.api).await;
        let workers: BTreeSet<&String> = holders.iter().collect();
        if holders.len() == NAMES.len() && workers.len() == 2 {
            break holders;
        }
        assert!(
            Instant::now() < deadline,
            "{holders:?}\n{}\n{}",
            first.log(),
            second.log()
        );
        sleep(Duration::from_millis(50)).await;
    };
    let of_first = shared.iter().filter(|holder| **holder == shared[0]).count();
    assert_eq!(of_first, 2, "{shared:?}");
    let killed = Instant::now();
    second.kill().await;
    loop {
        let holders = holders(&api.api).await;
        let workers: BTreeSet<&String> = holders.iter().collect();
        if holders.len() == NAMES.len() && workers.len() == 1 {
            break;
        }
        assert!(
            killed.elapsed() < Duration::from_secs(13),
            "{holders:?}\n{}",
            first.log()
        );
        sleep(Duration::from_millis(50)).await;
    }
    println!("taken over after {:?}", killed.elapsed());
    let _ = stop.send(());
    let rounds = writing.await.unwrap();
    let ledger = settle(&receiver, rounds * 4).await;
    println!("changes: {}, repeats: {}", ledger.count(), ledger.repeats());
    assert!(first.stop().await.success() && api.stop().await.success());
}

async fn stored(world: &World) -> Document {
    let catalog = world.collection("config.collections");
    catalog.find_one(doc! {"_id": "one"}).await.unwrap().unwrap()
}

fn mark(entry: &Document) -> Option<(i64, i64)> {
    let mark = entry.get_document("marks").ok()?.get_document("d").ok()?;
    Some((mark.get_i64("t").unwrap(), mark.get_i64("i").unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_lost_everything_under_load_costs_repeats_only_and_the_status_says_so() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let server = world.start("run").await;
    server.api.create(streaming("one", &receiver)).await;
    let version = stored(&world).await.get_i64("version").unwrap();
    let (stop, writing) = write_on(&world, &["one"]);
    let deadline = Instant::now() + PATIENCE;
    while mark(&stored(&world).await).is_none() {
        assert!(Instant::now() < deadline, "there is no mark");
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(stored(&world).await.get_i64("version").unwrap(), version);
    receiver.wait_for(500).await;
    let client = redis::Client::open(world.redis.uri()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    for _ in 0..2 {
        let count = receiver.received().len();
        redis::cmd("FLUSHALL")
            .query_async::<()>(&mut connection)
            .await
            .unwrap();
        receiver.wait_for(count + 500).await;
    }
    let is_lost = |status: &Value| status["reason"] == "state_lost";
    server.api.until_status("one", "d", is_lost).await;
    let _ = stop.send(());
    let ledger = settle(&receiver, writing.await.unwrap()).await;
    println!("changes: {}, repeats: {}", ledger.count(), ledger.repeats());
    server
        .api
        .until_status("one", "d", |status| {
            status["state"] == "streaming" && status["lag_seconds"] == 0.0
        })
        .await;
    assert!(server.log().contains("state_lost"), "{}", server.log());
    assert!(server.stop().await.success());
}

/// A loss that nobody saw, since nothing ran meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_while_redis_lost_everything_and_no_worker_ran_is_delivered() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let server = world.start("run").await;
    server.api.create(streaming("one", &receiver)).await;
    let one = world.collection("one");
    one.insert_one(doc! {"_id": 1}).await.unwrap();
    receiver.wait_for(1).await;
    let before = Instant::now();
    while mark(&stored(&world).await).is_none() {
        assert!(before.elapsed() < Duration::from_secs(5), "there is no mark");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(server.stop().await.success());
    one.insert_one(doc! {"_id": 2}).await.unwrap();
    let client = redis::Client::open(world.redis.uri()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd("FLUSHALL")
        .query_async::<()>(&mut connection)
        .await
        .unwrap();
    let server = world.start("run").await;
    let received = receiver
        .wait_until(|all| all.iter().any(|request| request.json()["keys"]["_id"] == 2))
        .await;
    Ledger::of_acknowledged(&received).assert_clean();
    let status = server
        .api
        .until_status("one", "d", |status| status["reason"] == "state_lost")
        .await;
    assert_eq!(status["dlq_length"], json!(0));
    // A stream that begins anew has nothing to have lost.
    server.api.patch("one", json!({"stream_enabled": false})).await;
    assert!(mark(&stored(&world).await).is_none());
    assert!(server.stop().await.success());
}
