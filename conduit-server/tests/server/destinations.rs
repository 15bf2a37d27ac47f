//! What HTTP destinations send, and how their secrets are kept.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, HeaderValue};
use bson::doc;
use conduit_testkit::receiver::{Answer, Received, Receiver};
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use crate::harness::{Server, World, faulty_fields, insert, streaming};

const FIRST: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const SECOND: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_dGhpcyBpcyBub3QgdGhlIHJpZ2h0IHNlY3JldA==";
const MASK: &str = "********";
pub(crate) const ORDERS: &str = "/api/collections/orders";

fn is_verified(secret: &str, request: &Received) -> bool {
    let pairs = request.header_names().into_iter().map(|name| {
        let value = HeaderValue::from_str(request.header(name).unwrap()).unwrap();
        (HeaderName::try_from(name).unwrap(), value)
    });
    let headers: HeaderMap = pairs.collect();
    let webhook = Webhook::new(secret).unwrap();
    webhook.verify(request.body(), &headers).is_ok()
}

/// A streaming collection with this destination, called `d`.
pub(crate) fn with(destination: Value) -> Value {
    let mut destination = destination;
    destination["id"] = json!("d");
    json!({
        "collection_name": "orders", "stream_enabled": true, "deletion_protection": false,
        "destinations": [destination],
    })
}

pub(crate) async fn until_settled(server: &Server, delivered: u64) -> Value {
    let is_settled = |status: &Value| status["delivered"] == delivered && status["lag_seconds"] == 0.0;
    server.api.until_status("orders", "d", is_settled).await
}

/// Names the records of a body that a test's receiver refuses: the insertion of `bad`.
fn refused_of(request: &Received) -> Vec<Value> {
    let records = request.json().as_array().map(Vec::as_slice).unwrap_or_default();
    let refused = records
        .iter()
        .filter(|record| record["keys"]["_id"] == "bad" && record["recordType"] == "INSERT");
    refused.map(|record| record["eventID"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_fails_just_the_records_that_its_answer_names() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    receiver.answer_with(|request| {
        let failures: Vec<Value> = refused_of(request)
            .into_iter()
            .map(|id| json!({"itemIdentifier": id}))
            .collect();
        Answer::with_body(200, json!({"batchItemFailures": failures}).to_string())
    });
    let server = world.start("run").await;
    server
        .api
        .create(with(json!({
            "type": "http", "endpoint": receiver.url(), "max_retries": 1,
            "batch": {"max_records": 7, "max_wait": "300ms"},
        })))
        .await;
    let shown = server.api.get(ORDERS).await;
    assert_eq!(
        shown["destinations"][0]["batch"],
        json!({"max_records": 7, "max_bytes": 16 * 1024 * 1024, "max_wait": "300ms"})
    );
    let orders = world.collection("orders");
    for id in ["a", "b", "bad", "c", "d", "e"] {
        insert(&orders, id, 0).await;
    }
    for value in 1..=4 {
        for id in ["a", "b", "bad", "c", "d", "e"] {
            let set = doc! {"$set": {"value": value}};
            orders.update_one(doc! {"_id": id}, set).await.unwrap();
        }
    }
    let status = until_settled(&server, 29).await;
    assert_eq!(
        (
            &status["dead_lettered"],
            &status["dlq_length"],
            &status["retry_length"]
        ),
        (&json!(1), &json!(1), &json!(0)),
        "{status}"
    );
    let received = receiver.received();
    let mut acknowledged: HashMap<String, usize> = HashMap::new();
    let mut order: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut attempts, mut largest) = (Vec::new(), 0);
    let mut batch_ids = HashSet::new();
    for (number, request) in received.iter().enumerate() {
        let records = request.json().as_array().expect("the body is an array");
        let refused = refused_of(request);
        let mut documents = HashSet::new();
        for record in records {
            let id = record["keys"]["_id"].as_str().unwrap().to_owned();
            assert!(documents.insert(id.clone()), "{id} is in one body twice");
            let event = record["eventID"].as_str().unwrap().to_owned();
            if refused.contains(&record["eventID"]) {
                attempts.push(number);
                continue;
            }
            let sequence = record["sequenceNumber"].as_str().unwrap().to_owned();
            order.entry(id).or_default().push(sequence);
            *acknowledged.entry(event).or_default() += 1;
        }
        largest = largest.max(records.len());
        assert!(!records.is_empty() && records.len() <= 7);
        assert_eq!(request.header("content-type"), Some("application/json"));
        let batch_id = request.header("webhook-id").expect("a batch has an id");
        let names: Vec<&Value> = records.iter().map(|record| &record["eventID"]).collect();
        batch_ids.insert((batch_id.to_owned(), json!(names).to_string()));
    }
    assert!(largest > 1, "nothing was ever gathered");
    let distinct: HashSet<&String> = batch_ids.iter().map(|(id, _)| id).collect();
    assert_eq!(
        distinct.len(),
        batch_ids.len(),
        "one id for the same records, and for no others"
    );
    assert_eq!((acknowledged.len(), acknowledged.values().max()), (29, Some(&1)));
    assert!(order.values().all(|sequences| sequences.is_sorted()), "{order:?}");
    // Tried twice, and what came later of its document waited for that.
    assert_eq!(attempts.len(), 2, "{attempts:?}");
    let later = |request: &Arc<Received>| {
        let records = request.json().as_array().unwrap();
        records
            .iter()
            .any(|record| record["keys"]["_id"] == "bad" && record["recordType"] == "MODIFY")
    };
    assert!(received.iter().position(later).unwrap() > attempts[1]);
    let letters = server.api.get(&format!("{ORDERS}/dlq")).await;
    assert_eq!(letters["items"][0]["record"]["keys"]["_id"], "bad");
    assert_eq!(letters["items"][0]["attempts"], 2);
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_used_never_shown_and_kept_when_they_are_sent_back_masked() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let server = world.start("run").await;
    let created = server
        .api
        .create(with(json!({
            "type": "http", "endpoint": receiver.url(), "bearer_token": "t0ken", "signing_secret": [FIRST, SECOND],
            "headers": {"X-Api-Key": "k3y", "x-tenant": "t3nant"},
        })))
        .await;
    let shown = server.api.get(ORDERS).await;
    assert_eq!(created, shown);
    let destination = &shown["destinations"][0];
    assert_eq!(
        (
            &destination["bearer_token"],
            &destination["signing_secret"],
            &destination["headers"]
        ),
        (
            &json!(MASK),
            &json!([MASK, MASK]),
            &json!({"X-Api-Key": MASK, "x-tenant": MASK})
        )
    );
    let orders = world.collection("orders");
    let check = |request: &Received| {
        assert!(is_verified(FIRST, request) && is_verified(SECOND, request));
        assert!(!is_verified(OTHER, request));
        assert_eq!(request.header("authorization"), Some("Bearer t0ken"));
        assert_eq!(
            (request.header("x-api-key"), request.header("x-tenant")),
            (Some("k3y"), Some("t3nant"))
        );
    };
    insert(&orders, "a", 1).await;
    check(&receiver.wait_for(1).await[0]);
    // What is shown is taken back, also for another path of the same origin and with other settings.
    server.api.expect(200, "PUT", ORDERS, Some(shown.clone())).await;
    let mut changed = shown.clone();
    changed["destinations"][0]["endpoint"] = json!(format!("{}/other", receiver.url()));
    changed["destinations"][0]["timeout"] = json!("7s");
    server
        .api
        .patch("orders", json!({"destinations": changed["destinations"]}))
        .await;
    // A record that follows the answer at once may still go by what was in force before it.
    let mut written = 1;
    loop {
        insert(&orders, &format!("b{written}"), 1).await;
        written += 1;
        let received = receiver.wait_for(written).await;
        check(&received[written - 1]);
        if received[written - 1].target() == "/other" {
            break;
        }
    }
    // Secrets of one origin go to no other.
    let elsewhere = Receiver::start().await;
    let mut moved = shown.clone();
    moved["destinations"][0]["endpoint"] = json!(elsewhere.url());
    let answer = server.api.expect(400, "PUT", ORDERS, Some(moved.clone())).await;
    let mut wanted =
        ["bearer_token", "headers", "signing_secret"].map(|name| format!("destinations[0].{name}"));
    let mut found: Vec<&str> = faulty_fields(&answer);
    found.sort_unstable();
    found.dedup();
    wanted.sort_unstable();
    assert_eq!(found, wanted);
    for (name, value) in [
        ("id", Value::Null),
        ("id", json!("other")),
        ("type", json!("meilisearch")),
    ] {
        let mut moved = moved.clone();
        moved["destinations"][0][name] = value;
        server.api.expect(400, "PUT", ORDERS, Some(moved)).await;
    }
    // Nor under a mask that stands for nothing.
    for (name, value) in [
        ("headers", json!({"x-tenant": MASK, "x-new": MASK})),
        ("signing_secret", json!([MASK, MASK, MASK])),
    ] {
        let mut wrong = shown.clone();
        wrong["destinations"][0][name] = value;
        let answer = server.api.expect(400, "PUT", ORDERS, Some(wrong)).await;
        assert_eq!(faulty_fields(&answer), [format!("destinations[0].{name}")]);
    }
    // A fault changed nothing; secrets of its own are what another origin takes.
    insert(&orders, "c", 1).await;
    written += 1;
    check(&receiver.wait_for(written).await[written - 1]);
    moved["destinations"][0]["bearer_token"] = Value::Null;
    moved["destinations"][0]["headers"] = Value::Null;
    moved["destinations"][0]["signing_secret"] = json!(OTHER);
    server.api.expect(200, "PUT", ORDERS, Some(moved)).await;
    let received = loop {
        insert(&orders, &format!("d{written}"), 1).await;
        written += 1;
        tokio::select! {
            received = elsewhere.wait_for(1) => break received,
            _ = receiver.wait_for(written) => {}
        }
    };
    assert!(is_verified(OTHER, &received[0]) && !is_verified(FIRST, &received[0]));
    assert_eq!(
        (
            received[0].header("authorization"),
            received[0].header("x-tenant")
        ),
        (None, None)
    );
    until_settled(&server, written as u64).await;
    let seen = [
        server.log(),
        server.api.get("/api/status").await.to_string(),
        shown.to_string(),
    ]
    .concat();
    for secret in ["t0ken", "k3y", "t3nant", &FIRST[6..], &SECOND[6..], &OTHER[6..]] {
        assert!(!seen.contains(secret), "{secret} is shown");
    }
    assert!(server.stop().await.success());
    assert_eq!(
        (receiver.received().len(), elsewhere.received().len()),
        (written - 1, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_cannot_be_are_faults_that_name_them() {
    let world = World::new().await;
    let server = world.start("api").await;
    for (setting, wanted) in [
        (
            json!({"batch": {"max_records": 0, "max_bytes": 1, "max_wait": "2m"}}),
            &["batch.max_records", "batch.max_bytes", "batch.max_wait"][..],
        ),
        (
            json!({"batch": {"max_records": 1001, "size": 1}}),
            &["batch.max_records", "batch.size"],
        ),
        (json!({"batch": true}), &["batch"]),
        (json!({"signing_secret": "short"}), &["signing_secret"]),
        (
            json!({"signing_secret": [FIRST, "short"]}),
            &["signing_secret[1]"],
        ),
        (
            json!({"signing_secret": [FIRST, SECOND, OTHER]}),
            &["signing_secret"],
        ),
        (json!({"signing_secret": []}), &["signing_secret"]),
        (json!({"headers": {"Content-Length": "1"}}), &["headers"]),
        (json!({"headers": {"x": "a\r\nhost: b"}}), &["headers"]),
        (json!({"headers": {"webhook-id": "1"}}), &["headers"]),
        (json!({"headers": {"x": 1}}), &["headers"]),
        (json!({"headers": ["x"]}), &["headers"]),
        (
            json!({"headers": {"authorization": "Basic eA=="}, "bearer_token": "t"}),
            &["headers"],
        ),
        (json!({"bearer_token": "two words"}), &["bearer_token"]),
        (json!({"bearer_token": {"env": "MONGODB_URI"}}), &["bearer_token"]),
        (json!({"format": "avro"}), &["format"]),
        (json!({"timeout": "0s"}), &["timeout"]),
        (json!({"path": "x"}), &["path"]),
    ] {
        let mut destination = json!({"type": "http", "endpoint": "http://127.0.0.1:9/"});
        destination
            .as_object_mut()
            .unwrap()
            .extend(setting.as_object().unwrap().clone());
        let answer = server
            .api
            .expect(400, "POST", "/api/collections", Some(with(destination)))
            .await;
        let wanted: Vec<String> = wanted
            .iter()
            .map(|name| format!("destinations[0].{name}"))
            .collect();
        assert_eq!(faulty_fields(&answer), wanted, "{setting}: {answer}");
        assert!(!answer.to_string().contains("two words") && !answer.to_string().contains("\"short\""));
    }
    let meilisearch =
        json!({"type": "meilisearch", "endpoint": "http://127.0.0.1:9/", "format": "cloudevents"});
    let answer = server
        .api
        .expect(400, "POST", "/api/collections", Some(with(meilisearch)))
        .await;
    assert_eq!(faulty_fields(&answer), ["destinations[0].format"]);
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_can_be_sent_as_cloud_events() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let server = world.start("run").await;
    let batch = json!({
        "id": "b", "type": "http", "endpoint": format!("{}/batch", receiver.url()), "format": "cloudevents",
        "batch": {"max_wait": "0ms"},
    });
    let mut body = streaming("orders", &receiver);
    body["destinations"][0]["format"] = json!("cloudevents");
    body["destinations"].as_array_mut().unwrap().push(batch);
    server.api.create(body).await;
    insert(&world.collection("orders"), "a", 1).await;
    let received = receiver.wait_for(2).await;
    let one = received
        .iter()
        .find(|request| request.target() != "/batch")
        .unwrap();
    let many = received
        .iter()
        .find(|request| request.target() == "/batch")
        .unwrap();
    assert!(
        one.header("content-type")
            .unwrap()
            .starts_with("application/cloudevents+json")
    );
    assert!(
        many.header("content-type")
            .unwrap()
            .starts_with("application/cloudevents-batch+json")
    );
    let event = one.json();
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["id"].as_str(), one.header("webhook-id"));
    assert_eq!(event["id"], event["data"]["eventID"]);
    assert!(
        ["source", "type", "time"]
            .iter()
            .all(|name| event[name].is_string()),
        "{event}"
    );
    assert_eq!(event["data"]["newImage"], json!({"_id": "a", "value": 1}));
    assert_eq!(
        *many.json(),
        json!([event]),
        "one record is the same event at both"
    );
    assert_eq!(
        server.api.get(ORDERS).await["destinations"][0]["format"],
        "cloudevents"
    );
    assert!(server.stop().await.success());
}
