//! Destinations that fail as a whole. `CONDUIT_OUTAGE_CHANGES` sets how many changes fall into the outage, over a fortieth
//! as many documents, and `CONDUIT_OUTAGE_SECONDS` how long it is.

use std::time::Duration;

use bson::{Document, doc};
use conduit_testkit::receiver::{Answer, Ledger, Receiver};
use mongodb::Collection;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::harness::{Server, World, insert, streaming};

/// How long everything may take to follow once a destination answers again: the longest wait between probes, the retries of
/// a poison record, and time to deliver.
const RECOVERY: Duration = Duration::from_secs(240);
const POISON: i64 = 7;

fn setting(name: &str, default: i64) -> i64 {
    let set = std::env::var(name).ok().and_then(|text| text.parse().ok());
    set.unwrap_or(default)
}

/// Inserts documents `0..documents` and updates them in turn, `changes` in all; the inserts of the first `poisoned` have
/// the value -1.
async fn write(collection: &Collection<Document>, documents: i64, changes: i64, poisoned: i64) {
    let first = (0..documents).map(|id| doc! {"_id": id, "value": if id < poisoned { -1 } else { 0 }});
    collection
        .insert_many(first.collect::<Vec<Document>>())
        .await
        .unwrap();
    for change in documents..changes {
        let update = doc! {"$set": {"value": change}};
        collection
            .update_one(doc! {"_id": change % documents}, update)
            .await
            .unwrap();
    }
}

fn is_poison(record: &Value) -> bool {
    record["recordType"] == "INSERT" && record["newImage"]["value"] == -1
}

/// Waits for so many records, and checks that each came once and in order.
async fn settle(receiver: &Receiver, server: &Server, count: usize) {
    let deadline = Instant::now() + RECOVERY;
    loop {
        let ledger = Ledger::of_acknowledged(&receiver.received());
        if ledger.count() >= count || Instant::now() > deadline {
            ledger.assert_clean();
            let arrived = (ledger.count(), ledger.repeats());
            assert_eq!(arrived, (count, 0), "records and repeats\n{}", server.log());
            return;
        }
        sleep(Duration::from_millis(200)).await;
    }
}

async fn metric(server: &Server, name: &str) -> f64 {
    let (_, text) = server
        .api
        .try_text("GET", "/metrics", "", Vec::new())
        .await
        .unwrap();
    let line = text.lines().find(|line| line.starts_with(name));
    let line = line.unwrap_or_else(|| panic!("{name} is missing in\n{text}"));
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_costs_no_record_little_memory_and_few_requests_and_only_poison_is_given_up() {
    let changes = setting("CONDUIT_OUTAGE_CHANGES", 2_000);
    let outage = Duration::from_secs(u64::try_from(setting("CONDUIT_OUTAGE_SECONDS", 8)).unwrap());
    let quiet_after = (outage / 2).min(Duration::from_secs(15));
    let documents = changes / 40;
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let server = world.start("run").await;
    server.api.create(streaming("orders", &receiver)).await;
    let orders = world.collection("orders");
    insert(&orders, "before", 1).await;
    receiver.wait_for(1).await;
    let memory_before = server.resident_bytes();

    receiver.answer_with(|_| Answer::Status(503));
    let began = Instant::now();
    let writing = tokio::spawn(async move { write(&orders, documents, changes, POISON).await });
    let mut most = memory_before;
    while began.elapsed() < outage {
        most = most.max(server.resident_bytes());
        sleep(Duration::from_millis(100)).await;
    }
    let status = server
        .api
        .until_status("orders", "d", |status| status["state"] == "holding")
        .await;
    assert!(
        status["reason"].as_str().unwrap().contains("503"),
        "the reason says what it answers: {status}"
    );
    let during = receiver.received();
    let late = during
        .iter()
        .filter(|request| request.at() - began > quiet_after)
        .count();
    println!("requests: {} in all, {late} after {quiet_after:?}", during.len());
    assert!(late <= 30, "{late} requests");
    receiver.answer_with(|request| Answer::Status(if is_poison(request.json()) { 503 } else { 204 }));
    writing.await.unwrap();
    settle(&receiver, &server, usize::try_from(1 + changes - POISON).unwrap()).await;
    let dead = server
        .api
        .until_status("orders", "d", |status| status["dlq_length"] == POISON)
        .await;
    assert_eq!(dead["retry_length"], 0, "{dead}");
    let page = server.api.get("/api/collections/orders/dlq").await;
    let dead = page["items"].as_array().unwrap();
    assert!(dead.iter().all(|letter| is_poison(&letter["record"])), "{page}");
    most = most.max(server.resident_bytes());
    let growth = most.saturating_sub(memory_before) / 1_000_000;
    println!("memory: {} MB, grown by {growth} MB", memory_before / 1_000_000);
    assert!(growth < 60, "grown by {growth} MB");
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_brown_out_gives_up_nothing() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let server = world.start("run").await;
    server.api.create(streaming("orders", &receiver)).await;
    // 19 of 20 at random, the same in every run.
    receiver.answer_with(|request| {
        let number = u64::try_from(request.number()).unwrap().wrapping_add(1);
        let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        Answer::Status(if (mixed >> 33).is_multiple_of(20) {
            204
        } else {
            503
        })
    });
    let began = Instant::now();
    write(&world.collection("orders"), 50, 1_000, 0).await;
    // Longer than all retries of a record, so that one whose attempts were counted would be given up.
    sleep(Duration::from_secs(45).saturating_sub(began.elapsed())).await;
    receiver.answer_with(|_| Answer::Status(204));
    settle(&receiver, &server, 1_000).await;
    let status = server
        .api
        .until_status("orders", "d", |status| status["lag_seconds"] == 0.0)
        .await;
    assert_eq!(
        (&status["dead_lettered"], &status["dlq_length"]),
        (&json!(0), &json!(0)),
        "{status}"
    );
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_refuses_the_credentials_is_held_and_says_so() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    receiver.answer_with(|_| Answer::Status(401));
    let server = world.start("run").await;
    server.api.create(streaming("orders", &receiver)).await;
    write(&world.collection("orders"), 60, 120, 0).await;
    let status = server
        .api
        .until_status("orders", "d", |status| status["state"] == "holding")
        .await;
    assert!(
        status["reason"].as_str().unwrap().contains("401"),
        "the reason names the status: {status}"
    );
    let since = "conduit_hold_since_timestamp_seconds{collection=\"orders\",destination=\"d\"}";
    let (held, active) = (
        metric(&server, since).await,
        metric(&server, "conduit_watchers_active").await,
    );
    let said: jiff::Timestamp = status["since"].as_str().unwrap().parse().unwrap();
    #[allow(clippy::cast_precision_loss)]
    let said = said.as_millisecond() as f64 / 1000.0;
    assert!((held - said).abs() < 0.002, "{held} is not {said}");
    assert!(active.abs() < f64::EPSILON, "{active}");
    assert_eq!(server.log().matches("held, nothing counts").count(), 1);

    receiver.answer_with(|_| Answer::Status(204));
    settle(&receiver, &server, 120).await;
    let status = server
        .api
        .until_status("orders", "d", |status| {
            status["state"] == "streaming" && status["lag_seconds"] == 0.0
        })
        .await;
    assert_eq!(status["dlq_length"], 0, "{status}");
    assert!(metric(&server, since).await.abs() < f64::EPSILON);
    assert!(server.stop().await.success());
}
