//! A random history, delivered as the engine would, ends with the index being the collection.

use std::collections::{BTreeMap, HashSet};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use conduit_core::{Delivery, Record, RecordType, Sink, SinkError};
use conduit_sinks::meilisearch::{DocumentId, PRIMARY_KEY};
use conduit_testkit::meilisearch::{MeilisearchStub, When, refusal};
use conduit_testkit::receiver::Answer;
use fastrand::Rng;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::server::on_each_server;
use crate::sink_of;
use crate::story::{deliver, record};

const KEYS: usize = 200;

/// How many calls are made at the same time; a key is always of the same one.
const LANES: usize = 4;

/// Changes of a collection, and what it holds in the end, by the ids of the documents.
fn history(rng: &mut Rng, changes: usize) -> (Vec<Vec<Arc<Record>>>, BTreeMap<String, Value>) {
    let mut collection: BTreeMap<usize, Value> = BTreeMap::new();
    let mut lanes = vec![Vec::new(); LANES];
    for n in 0..changes {
        let number = rng.usize(..KEYS);
        let keys = keys(number);
        let mut document = keys.clone();
        document["n"] = json!(n);
        // So that a replacement is one: fields come and go.
        document[format!("field{}", rng.u8(..5))] = json!("x".repeat(rng.usize(..40)));
        let exists = collection.contains_key(&number);
        let change = match rng.u8(..10) {
            0..3 if exists => {
                collection.remove(&number);
                record(RecordType::Remove, &keys, None)
            }
            // It was gone when it was looked up; what follows says the rest.
            3 if exists => {
                lanes[number % LANES].push(record(RecordType::Modify, &keys, None));
                collection.remove(&number);
                record(RecordType::Remove, &keys, None)
            }
            _ => {
                let kind = if exists {
                    RecordType::Modify
                } else {
                    RecordType::Insert
                };
                let change = record(kind, &keys, Some(&document));
                collection.insert(number, document);
                change
            }
        };
        lanes[number % LANES].push(change);
    }
    let expected = collection.into_iter().map(|(number, mut document)| {
        let id = DocumentId::of(keys(number).to_string().as_bytes()).unwrap();
        document[PRIMARY_KEY] = json!(id.as_str());
        (id.as_str().to_owned(), document)
    });
    (lanes, expected.collect())
}

fn keys(number: usize) -> Value {
    match number % 4 {
        0 => json!({ "_id": format!("{number:024x}") }),
        1 => json!({ "_id": number }),
        2 => json!({ "_id": format!("USER#{number}") }),
        _ => json!({ "tenant": {"a": number}, "name": format!("ä_{number}") }),
    }
}

/// Delivers a lane's records in calls of random length, and what failed again and again, as the engine does: nothing of
/// a key is sent before what came earlier of it. `drops` says how often a call is dropped.
async fn run_lane(sink: &dyn Sink, records: Vec<Arc<Record>>, mut rng: Rng, drops: bool) {
    let mut left = records.into_iter().peekable();
    while left.peek().is_some() {
        let mut pending: Vec<_> = left.by_ref().take(rng.usize(1..60)).collect();
        let mut tries = 0;
        while !pending.is_empty() {
            tries += 1;
            assert!(tries < 2000, "{} records do not get through", pending.len());
            // Sometimes only the first of what failed comes again, as the engine's probes do.
            let count = if tries > 1 && rng.bool() { 1 } else { pending.len() };
            let rest = pending.split_off(count);
            let polls = if drops && rng.u8(..5) == 0 {
                rng.usize(1..12)
            } else {
                usize::MAX
            };
            let failed = match given_up_after(polls, deliver(sink, &pending)).await {
                Some(Ok(delivery)) => delivery.failed.into_iter().map(|(index, _)| index).collect(),
                Some(Err(_)) | None => (0..pending.len()).collect(),
            };
            let mut again = with_followers(pending, &failed);
            again.extend(rest);
            pending = again;
        }
    }
}

/// What failed, and what came after it of the same keys.
fn with_followers(sent: Vec<Arc<Record>>, failed: &HashSet<usize>) -> Vec<Arc<Record>> {
    let mut keys = HashSet::new();
    let mut again = Vec::new();
    for (index, record) in sent.into_iter().enumerate() {
        if failed.contains(&index) || keys.contains(&record.key()) {
            keys.insert(record.key());
            again.push(record);
        }
    }
    again
}

/// Drops a call after it was polled so many times.
async fn given_up_after(
    polls: usize,
    call: impl Future<Output = Result<Delivery, SinkError>>,
) -> Option<Result<Delivery, SinkError>> {
    let mut call = pin!(call);
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        let polled = call.as_mut().poll(cx).map(Some);
        if left == 0 && polled.is_pending() {
            return Poll::Ready(None);
        }
        polled
    })
    .await
}

#[tokio::test]
async fn the_index_ends_as_the_collection() {
    on_each_server(async |index| {
        let mut rng = Rng::with_seed(1);
        let (lanes, expected) = history(&mut rng, 2000);
        let sink = index.sink();
        let lanes = lanes
            .into_iter()
            .map(|lane| run_lane(&sink, lane, rng.fork(), false));
        join_all(lanes).await;
        assert_eq!(index.documents().await, expected);
    })
    .await;
}

#[tokio::test]
async fn whatever_fails_meanwhile_the_index_ends_as_the_collection() {
    for seed in 0..4 {
        let stub = MeilisearchStub::start().await;
        let mut rng = Rng::with_seed(seed);
        let (lanes, expected) = history(&mut rng, 1000);
        inject(&stub, rng.fork());
        let sink = sink_of(&stub);
        let lanes = lanes
            .into_iter()
            .map(|lane| run_lane(&sink, lane, rng.fork(), true));
        join_all(lanes).await;
        assert_eq!(stub.documents("orders"), expected, "seed {seed}");
        let tasks = stub.tasks();
        let failed = tasks.iter().filter(|task| matches!(task.end, Some(Err(_))));
        println!(
            "seed {seed}: {} tasks, {} of them failed",
            tasks.len(),
            failed.count()
        );
    }
}

/// Makes requests and tasks fail in all ways, for no reason and never for good.
fn inject(stub: &MeilisearchStub, mut rng: Rng) {
    let of_tasks = Mutex::new(rng.fork());
    stub.fail_tasks(move || {
        let mut rng = of_tasks.lock().unwrap();
        match rng.u8(..20) {
            0 => Some(("internal", "internal")),
            1 => Some(("invalid_document_fields", "invalid_request")),
            2 => Some(("vector_embedding_error", "invalid_request")),
            _ => None,
        }
    });
    let rng = Mutex::new(rng);
    stub.spoil(move |request| {
        let mut rng = rng.lock().unwrap();
        let is_write = request.method() != "GET";
        match rng.u8(..60) {
            0 => Some((When::Before, Answer::Status(500))),
            1 if is_write => Some((When::After, Answer::CloseBeforeAnswer)),
            2 => Some((When::Before, Answer::CloseBeforeAnswer)),
            3 => Some((When::Before, Answer::with_header(429, "Retry-After", "0"))),
            4 if is_write => Some((When::After, Answer::Status(502))),
            5 if is_write => Some((When::Before, refusal(413, "payload_too_large", "invalid_request"))),
            _ => None,
        }
    });
}
