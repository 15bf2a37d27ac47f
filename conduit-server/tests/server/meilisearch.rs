//! An index of Meilisearch against the collection it is made of, while the server is killed and stopped again and again.
//! `CONDUIT_SEARCH_DOCUMENTS` sets how many documents there are, `CONDUIT_SEARCH_WRITES` how many writes of them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use bson::{Document, doc};
use conduit_testkit::meilisearch::{MeilisearchStub, Task, When};
use conduit_testkit::receiver::Answer;
use fastrand::Rng;
use mongodb::Collection;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::{Duration, Instant, sleep};

use crate::harness::{Server, World};
use crate::search_server::SearchServer;
use crate::search_writer::{Keys, expected, write_at_random};

/// How often, at least, the server comes to an end while somebody writes.
const MIN_ENDS: usize = 8;

/// How many writes there are for each end.
const WRITES_PER_END: usize = 2000;

/// How long the index may take to follow once everything works again: what failed waits for its retry.
const RECOVERY: Duration = Duration::from_secs(240);

/// How long a task takes: longer than it takes to commit a position, so that a kill finds records that wait behind it.
const TASK_TIME: Duration = Duration::from_millis(250);

fn setting(name: &str, default: usize) -> usize {
    let set = std::env::var(name).ok().and_then(|text| text.parse().ok());
    set.unwrap_or(default)
}

/// How many documents, and how many writes: few of each document, since a later one hides that one was lost.
fn size() -> (usize, usize) {
    let documents = setting("CONDUIT_SEARCH_DOCUMENTS", 1000);
    (documents, setting("CONDUIT_SEARCH_WRITES", 4 * documents))
}

/// Waits until the server is at work: some tasks more have come. A real Meilisearch is not asked for them.
async fn until_at_work(search: &SearchServer, rng: &mut Rng) {
    let more = rng.usize(1..12);
    match search.stub() {
        Some(stub) => stub.wait_for_document_tasks(stub.document_tasks() + more).await,
        None => sleep(Duration::from_secs(2)).await,
    }
}

/// Says what an index has too much, too little, or differently.
fn difference(found: &BTreeMap<String, Value>, wanted: &BTreeMap<String, Value>) -> Option<String> {
    let ids = found
        .keys()
        .chain(wanted.keys().filter(|id| !found.contains_key(*id)));
    let wrong: Vec<&String> = ids.filter(|id| found.get(*id) != wanted.get(*id)).collect();
    if wrong.is_empty() {
        return None;
    }
    let (wrong_count, all) = (wrong.len(), wanted.len());
    let mut text = format!(
        "{wrong_count} documents differ; {all} are wanted, {} are there\n",
        found.len()
    );
    for id in wrong.iter().take(3) {
        let show = |documents: &BTreeMap<String, Value>| {
            documents
                .get(*id)
                .map_or_else(|| "(nothing)".to_owned(), Value::to_string)
        };
        writeln!(text, "found  {}\nwanted {}", show(found), show(wanted)).unwrap();
    }
    Some(text)
}

/// Waits until nothing is unsettled and the index holds what the collection does, and looks once more when the server has
/// stopped. Returns how many documents there are.
async fn settle(
    server: Server,
    search: &SearchServer,
    collection: &Collection<Document>,
    keys: Keys,
) -> usize {
    let wanted = expected(collection, keys).await;
    let deadline = Instant::now() + RECOVERY;
    loop {
        let status = until_settled(&server, deadline).await;
        assert_eq!(
            (&status["dlq_length"], &status["dead_lettered"]),
            (&json!(0), &json!(0)),
            "{status}"
        );
        let Some(difference) = difference(&search.documents().await, &wanted) else {
            break;
        };
        // The status may be a second old.
        assert!(
            Instant::now() < deadline,
            "{difference}{status}\n{}",
            server.log()
        );
        sleep(Duration::from_millis(100)).await;
    }
    assert!(server.stop().await.success());
    let found = search.documents().await;
    assert_eq!(difference(&found, &wanted), None, "after the end");
    assert_eq!(found.len(), wanted.len());
    found.len()
}

async fn until_settled(server: &Server, deadline: Instant) -> Value {
    loop {
        let all = server.api.get("/api/collections/orders/status").await;
        let status = &all["destinations"][0];
        if status["lag_seconds"] == 0.0 && status["retry_length"] == 0 {
            return status.clone();
        }
        assert!(
            Instant::now() < deadline,
            "never settled: {status}\n{}",
            server.log()
        );
        sleep(Duration::from_millis(50)).await;
    }
}

/// What came of the stub's tasks, for people.
fn figures(stub: &MeilisearchStub) -> String {
    let tasks = stub.tasks();
    let of_documents: Vec<&Task> = tasks.iter().filter(|task| task.work.is_of_documents()).collect();
    let failed = of_documents
        .iter()
        .filter(|task| matches!(task.end, Some(Err(_))));
    let sizes = of_documents.iter().map(|task| task.work.document_count());
    format!(
        "{} tasks of documents, {} of them failed, {} documents in all, {} at most in one; {} requests",
        of_documents.len(),
        failed.count(),
        sizes.clone().sum::<usize>(),
        sizes.max().unwrap_or(0),
        stub.receiver().received().len(),
    )
}

/// Makes tasks and requests fail, for no reason and never for good, and loses answers.
fn inject(stub: &MeilisearchStub, mut rng: Rng) {
    let mut of_tasks = rng.fork();
    stub.fail_tasks(move || match of_tasks.u8(..20) {
        0 => Some(("internal", "internal")),
        1 => Some(("invalid_document_fields", "invalid_request")),
        _ => None,
    });
    stub.spoil(move |request| {
        let is_write = request.method() != "GET";
        match rng.u8(..60) {
            0 => Some((When::Before, Answer::Status(500))),
            1 if is_write => Some((When::After, Answer::CloseBeforeAnswer)),
            2 => Some((When::Before, Answer::CloseBeforeAnswer)),
            3 => Some((When::Before, Answer::with_header(429, "Retry-After", "0"))),
            4 if is_write => Some((When::After, Answer::Status(502))),
            _ => None,
        }
    });
}

/// Has documents written at random while the server is ended and started, and compares index and collection in the end.
async fn run(search: SearchServer, keys: Keys, seed: u64) {
    let began = Instant::now();
    let world = World::new().await;
    let mut server = world.start("run").await;
    let mut body = search.collection("orders");
    if keys == Keys::Composite {
        body["primary_key"] = json!("pk");
        body["sort_key"] = json!("sk");
    }
    server.api.create(body).await;
    if let Some(stub) = search.stub() {
        stub.set_delay(TASK_TIME);
    }
    let orders = world.collection("orders");
    let (documents, writes) = size();
    let ends = MIN_ENDS.max(writes / WRITES_PER_END);
    let turn = Arc::new(Semaphore::new(0));
    let writing = tokio::spawn(write_at_random(
        orders.clone(),
        keys,
        (documents, writes),
        Arc::clone(&turn),
        seed,
    ));
    let mut rng = Rng::with_seed(seed);
    for end in 0..ends {
        // A part of the writes for each, so that the last one too comes in the midst of them.
        turn.add_permits(writes.div_ceil(ends));
        until_at_work(&search, &mut rng).await;
        if end % 3 == 2 {
            assert!(server.stop().await.success());
        } else {
            server.kill().await;
        }
        server = world.start("run").await;
    }
    writing.await.unwrap();
    let wrote = began.elapsed();
    if let Some(stub) = search.stub() {
        stub.recover();
    }
    let count = settle(server, &search, &orders, keys).await;
    println!(
        "{writes} writes, {count} documents in the end; {ends} ends; {wrote:.1?} of writing, {:.1?} in all",
        began.elapsed()
    );
    match search.stub() {
        Some(stub) => println!("{}", figures(stub)),
        None => search.delete_index().await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_kills_and_stops_the_index_is_the_collection() {
    run(SearchServer::start("kills").await, Keys::Id, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_key_schema_whose_keys_change_too() {
    run(SearchServer::start("schema").await, Keys::Composite, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_tasks_fail_and_answers_are_lost_meanwhile() {
    let search = SearchServer::start_stub().await;
    inject(search.stub().unwrap(), Rng::with_seed(3));
    run(search, Keys::Composite, 3).await;
}

/// Writes each of `count` documents twice.
async fn write_twice(collection: &Collection<Document>, count: usize) {
    let ids = 0..i64::try_from(count).unwrap();
    let documents: Vec<Document> = ids.map(|id| doc! { "_id": id, "n": 0 }).collect();
    collection.insert_many(documents).await.unwrap();
    let update = doc! { "$inc": { "n": 1 } };
    collection.update_many(doc! {}, update).await.unwrap();
}

/// What piled up while no server ran, and while Meilisearch was down, goes out in large tasks: one for each document would
/// take it hours.
#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_done_in_few_tasks() {
    const DOCUMENTS: usize = 3000;
    /// On average; it is more than a hundred.
    const MIN_CHANGES_PER_TASK: usize = 20;
    for is_down in [false, true] {
        let world = World::new().await;
        let search = SearchServer::start_stub().await;
        let stub = search.stub().unwrap();
        let mut server = world.start("run").await;
        server.api.create(search.collection("orders")).await;
        let orders = world.collection("orders");
        if is_down {
            stub.spoil(|_| Some((When::Before, Answer::Status(503))));
            write_twice(&orders, DOCUMENTS).await;
            let holding = |status: &Value| status["state"] == "holding";
            let status = server.api.until_status("orders", "d", holding).await;
            assert_eq!(status["delivered"], 0, "{status}");
            server.kill().await;
        } else {
            server.kill().await;
            write_twice(&orders, DOCUMENTS).await;
        }
        let began = Instant::now();
        server = world.start("run").await;
        stub.recover();
        settle(server, &search, &orders, Keys::Id).await;
        println!("{:.1?}: {}", began.elapsed(), figures(stub));
        let tasks = stub.document_tasks();
        assert!(tasks <= 2 * DOCUMENTS / MIN_CHANGES_PER_TASK, "{tasks} tasks");
    }
}
