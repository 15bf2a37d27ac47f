//! The examples of Conduit as a library, on a real MongoDB.

use std::path::Path;

use bson::{Document, doc};
use conduit_testkit::meilisearch::{API_KEY, MeilisearchStub};
use conduit_testkit::receiver::{Answer, Receiver};
use conduit_testkit::servers::{shared_mongodb_uri, unique_database_name};
use mongodb::{Client, Database};
use serde_json::Value;

use crate::program::Program;

/// What the engine logs once a new stream's start is stored: what is written afterwards is delivered.
const STARTED: &str = "a new stream begins";

/// A database of a test's own.
struct Place {
    database: Database,
    uri: &'static str,
    name: String,
}

impl Place {
    async fn new() -> Self {
        let (uri, name) = (shared_mongodb_uri().await, unique_database_name());
        let database = Client::with_uri_str(uri).await.unwrap().database(&name);
        Self { database, uri, name }
    }

    async fn insert(&self, collection: &str, document: Document) {
        let collection = self.database.collection::<Document>(collection);
        collection.insert_one(document).await.unwrap();
    }

    fn start(&self, example: &str, own: &[(&str, &str)]) -> Program {
        let common = [("MONGODB_URI", self.uri), ("MONGODB_DATABASE", &self.name)];
        Program::start(example, &[&common, own].concat())
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn embed_delivers_and_goes_on_where_it_stood() {
    let (place, receiver, folder) = (
        Place::new().await,
        Receiver::start().await,
        tempfile::tempdir().unwrap(),
    );
    let (endpoint, state) = (receiver.url(), folder.path().join("embed.redb"));
    let variables = [("ENDPOINT", endpoint.as_str()), ("STATE", text(&state))];

    let mut embed = place.start("embed", &variables);
    embed.line_with(STARTED).await;
    place.insert("orders", doc! {"_id": "order-1", "total": 12}).await;
    receiver.wait_for(1).await;
    assert!(embed.interrupt().await.success());

    // WHEN it is started again, THEN what was written meanwhile comes, and nothing else.
    for id in ["order-2", "order-3"] {
        place.insert("orders", doc! {"_id": id, "total": 13}).await;
    }
    let embed = place.start("embed", &variables);
    receiver.wait_for(3).await;
    assert!(embed.interrupt().await.success());
    let mut ids: Vec<String> = receiver
        .received()
        .iter()
        .map(|request| request.json()["keys"]["_id"].to_string())
        .collect();
    ids.sort();
    assert_eq!(ids, [r#""order-1""#, r#""order-2""#, r#""order-3""#]);
    place.database.drop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn custom_sink_prints_the_records_that_were_made_up() {
    let mut program = Program::start("custom_sink", &[]);
    for kind in ["INSERT", "MODIFY"] {
        let record: Value = serde_json::from_str(&program.line_with("recordType").await).unwrap();
        assert_eq!(
            (record["recordType"].as_str(), record["tableName"].as_str()),
            (Some(kind), Some("orders"))
        );
    }
    assert!(program.end().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn custom_store_keeps_one_collection_in_a_file_of_its_own() {
    let (place, folder) = (Place::new().await, tempfile::tempdir().unwrap());
    let variables = [("STATE_FOLDER", text(folder.path()))];
    let mut program = place.start("custom_store", &variables);
    // One line for each of the two collections.
    program.line_with(STARTED).await;
    program.line_with(STARTED).await;
    place.insert("orders", doc! {"_id": "order-1"}).await;
    place.insert("customers", doc! {"_id": "customer-1"}).await;
    for _ in 0..2 {
        let line = program.line_with("recordType").await;
        assert!(line.contains("order-1") || line.contains("customer-1"), "{line}");
    }
    assert!(program.interrupt().await.success());

    // WHEN it is started without the file of `orders`, THEN those begin anew and the others go on.
    std::fs::remove_file(folder.path().join("orders.redb")).unwrap();
    assert!(folder.path().join("others.redb").exists());
    let mut program = place.start("custom_store", &variables);
    let line = program.line_with(STARTED).await;
    assert!(line.contains("orders"), "{line}");
    place.insert("customers", doc! {"_id": "customer-2"}).await;
    let line = program.line_with("recordType").await;
    assert!(line.contains("customer-2"), "{line}");
    assert!(program.interrupt().await.success());
    place.database.drop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tower_layers_see_each_call_and_end_one_that_hangs() {
    let (place, receiver) = (Place::new().await, Receiver::start().await);
    let endpoint = receiver.url();
    let variables = [("ENDPOINT", endpoint.as_str()), ("TIMEOUT_SECONDS", "1")];
    let mut program = place.start("tower_layers", &variables);
    program.line_with(STARTED).await;
    receiver.answer_in_turn([Answer::Hang, Answer::Status(204)]);
    place.insert("orders", doc! {"_id": "order-1"}).await;
    // The first call is never answered: only the layer's time-out ends it.
    program.line_with("sending 1 record(s)").await;
    program.line_with("sending 1 record(s)").await;
    program.line_with("answered, 0 record(s) failed").await;
    assert_eq!(receiver.received().len(), 2);
    assert!(program.interrupt().await.success());
    place.database.drop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn mongo_to_meilisearch_keeps_an_index_like_the_collection() {
    let (place, index, folder) = (
        Place::new().await,
        MeilisearchStub::start().await,
        tempfile::tempdir().unwrap(),
    );
    let (url, state) = (index.url(), folder.path().join("state.redb"));
    let variables = [
        ("MEILI_URL", url.as_str()),
        ("STATE", text(&state)),
        ("MEILI_MASTER_KEY", API_KEY),
    ];
    let mut program = place.start("mongo_to_meilisearch", &variables);
    program.line_with(STARTED).await;
    let products = place.database.collection::<Document>("products");
    // One after the other, so that each is a task of its own.
    let lamp = doc! {"_id": "lamp", "name": "Lamp"};
    products.insert_one(lamp).await.unwrap();
    index.wait_for_document_tasks(1).await;
    let desk = doc! {"_id": "desk", "name": "Desk"};
    products.insert_one(desk).await.unwrap();
    index.wait_for_document_tasks(2).await;
    products.delete_one(doc! {"_id": "desk"}).await.unwrap();
    index.wait_for_document_tasks(3).await;
    let floor_lamp = doc! {"$set": {"name": "Floor lamp"}};
    products
        .update_one(doc! {"_id": "lamp"}, floor_lamp)
        .await
        .unwrap();
    index.wait_for_document_tasks(4).await;
    // What is in hand is finished before it ends.
    assert!(program.interrupt().await.success());
    let names: Vec<Value> = index
        .documents("products")
        .into_values()
        .map(|each| each["name"].clone())
        .collect();
    assert_eq!(names, ["Floor lamp"]);
    let settings = index.index("products").unwrap().settings;
    assert_eq!(settings["searchableAttributes"][0], "name");
    place.database.drop().await.unwrap();
}
