use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bson::doc;
use conduit_testkit::receiver::{Answer, Receiver};
use serde_json::{Value, json};

use crate::forms::Form;
use crate::harness::{Api, World, insert, streaming};

const DLQ: &str = "/api/collections/orders/dlq";
const REDRIVE: &str = "/api/collections/orders/dlq/redrive";

/// Refuses records with the value -1 until it is repaired.
fn refuse(receiver: &Receiver) -> Arc<AtomicBool> {
    let is_broken = Arc::new(AtomicBool::new(true));
    let broken = Arc::clone(&is_broken);
    receiver.answer_with(move |request| {
        let is_bad = request.json()["newImage"]["value"] == -1 && broken.load(Ordering::SeqCst);
        Answer::Status(if is_bad { 400 } else { 204 })
    });
    is_broken
}

/// A collection whose destinations give up at once.
fn impatient(receiver: &Receiver, ids: &[&str]) -> Value {
    let mut body = streaming("orders", receiver);
    let destinations = ids.iter().map(|id| {
        json!({"id": id, "type": "http", "endpoint": format!("{}/{id}", receiver.url()), "max_retries": 0})
    });
    body["destinations"] = destinations.collect();
    body
}

pub(crate) async fn letters(api: &Api, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let deadline = tokio::time::Instant::now() + crate::harness::PATIENCE;
    loop {
        let page = api.get(DLQ).await;
        let items = page["items"].as_array().unwrap();
        if wanted(items) {
            return items.clone();
        }
        assert!(tokio::time::Instant::now() < deadline, "never as wanted: {page}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

async fn redrive(api: &Api, body: Value) -> (Value, Value) {
    let answer = api.expect(202, "POST", REDRIVE, Some(body)).await;
    (answer["redriven"].clone(), answer["stale"].clone())
}

fn came(receiver: &Receiver, id: &str) -> usize {
    let received = receiver.received();
    received
        .iter()
        .filter(|request| request.is_acknowledged() && request.json()["keys"]["_id"] == id)
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_sent_again_by_id_by_destination_and_stale_ones_only_when_asked_for() {
    for form in Form::ALL {
        let world = World::new().await;
        let receiver = Receiver::start().await;
        let is_broken = refuse(&receiver);
        let server = form.start(&world).await;
        let api = server.api();
        api.create(impatient(&receiver, &["d"])).await;
        let orders = world.collection("orders");
        for id in ["a", "b", "c"] {
            insert(&orders, id, -1).await;
        }
        let dead = letters(api, |items| items.len() == 3).await;
        orders
            .update_one(doc! {"_id": "c"}, doc! {"$set": {"value": 5}})
            .await
            .unwrap();
        let is_stale = |items: &[Value]| items.iter().filter(|item| item["stale"] == true).count() == 1;
        letters(api, is_stale).await;
        is_broken.store(false, Ordering::SeqCst);
        let id_of = |key: &str| {
            let letter = dead.iter().find(|item| item["record"]["keys"]["_id"] == key);
            letter.unwrap()["id"].clone()
        };
        assert_eq!(
            redrive(api, json!({"ids": [id_of("a"), 4_711]})).await,
            (json!(1), json!(0)),
            "{form:?}"
        );
        receiver.wait_until(|all| all.len() >= 5).await;
        assert_eq!((came(&receiver, "a"), came(&receiver, "b")), (1, 0), "{form:?}");
        let of_d = json!({"destination": "d"});
        assert_eq!(redrive(api, of_d).await, (json!(1), json!(1)), "{form:?}");
        letters(api, |items| items.len() == 1).await;
        let also_stale = json!({"include_stale": true});
        assert_eq!(redrive(api, also_stale).await, (json!(1), json!(0)), "{form:?}");
        letters(api, <[Value]>::is_empty).await;
        receiver.wait_until(|all| all.len() >= 7).await;
        assert_eq!(
            ["a", "b", "c"].map(|id| came(&receiver, id)),
            [1, 1, 2],
            "{form:?}"
        );
        api.until_status("orders", "d", |status| {
            status["retry_length"] == 0 && status["dlq_length"] == 0
        })
        .await;
        assert_eq!(redrive(api, json!({})).await, (json!(0), json!(0)));
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_that_cannot_be_carried_out_says_why_and_changes_nothing() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    refuse(&receiver);
    let server = Form::Apart.start(&world).await;
    let api = server.api();
    api.create(impatient(&receiver, &["d", "e"])).await;
    insert(&world.collection("orders"), "a", -1).await;
    let before = letters(api, |items| items.len() == 2).await;
    for (status, body, what) in [
        (400, json!({"ids": []}), "ids"),
        (400, json!({"ids": ["x"]}), "ids[0]"),
        (400, json!({"id": 1}), "id"),
        (404, json!({"destination": "f"}), "destination_not_found"),
    ] {
        let answer = api.expect(status, "POST", REDRIVE, Some(body)).await;
        let got = if status == 400 {
            &answer["errors"][0]["field"]
        } else {
            &answer["code"]
        };
        assert_eq!(got, what, "{answer}");
    }
    api.expect(200, "POST", "/api/collections/orders/pause?destination=d", None)
        .await;
    let of_d = || Some(json!({"destination": "d"}));
    let answer = api.expect(409, "POST", REDRIVE, of_d()).await;
    assert_eq!(answer["code"], "destination_at_rest");
    api.expect(200, "POST", "/api/collections/orders/resume", None)
        .await;
    let mut servers = server.servers;
    assert!(servers.pop().unwrap().stop().await.success());
    let api = &servers[0].api;
    let answer = api.expect(503, "POST", REDRIVE, of_d()).await;
    assert_eq!(answer["code"], "no_worker");
    // Nor is it carried out later.
    let worker = world.start("worker").await;
    api.until_status("orders", "d", |status| status["state"] == "streaming")
        .await;
    assert_eq!(letters(api, |items| items.len() == 2).await, before);
    api.patch("orders", json!({"stream_enabled": false})).await;
    let answer = api.expect(409, "POST", REDRIVE, of_d()).await;
    assert_eq!(answer["code"], "stream_disabled");
    assert!(worker.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_purged_by_destination_and_id_with_or_without_a_worker() {
    for form in Form::ALL {
        let world = World::new().await;
        let receiver = Receiver::start().await;
        refuse(&receiver);
        let server = form.start(&world).await;
        let api = server.api();
        api.create(impatient(&receiver, &["d", "e"])).await;
        for id in ["a", "b", "c"] {
            insert(&world.collection("orders"), id, -1).await;
        }
        let dead = letters(api, |items| items.len() == 6).await;
        let purge = async |query: &str| {
            let answer = api.expect(200, "DELETE", &format!("{DLQ}{query}"), None).await;
            answer["purged"].as_u64().unwrap()
        };
        let of_e = dead.iter().filter(|letter| letter["destination"] == "e");
        let ids: Vec<String> = of_e.map(|letter| letter["id"].to_string()).collect();
        let two = format!("?ids={},{}&ids=4711", ids[0], ids[1]);
        assert_eq!(purge(&two).await, 2, "{form:?}");
        assert_eq!(purge(&two).await, 0);
        assert_eq!(purge("?destination=d").await, 3);
        let left = letters(api, |items| items.len() == 1).await;
        assert_eq!(left[0]["id"].to_string(), ids[2]);
        api.until_status("orders", "d", |status| status["dlq_length"] == 0)
            .await;
        api.patch("orders", json!({"stream_enabled": false})).await;
        assert_eq!(purge("").await, 1);
        api.expect(400, "DELETE", &format!("{DLQ}?ids=x"), None).await;
        server.stop().await;
    }
    // A worker that is not there needs no asking.
    let world = World::new().await;
    let receiver = Receiver::start().await;
    refuse(&receiver);
    let mut server = Form::Apart.start(&world).await;
    server.api().create(impatient(&receiver, &["d"])).await;
    insert(&world.collection("orders"), "a", -1).await;
    letters(server.api(), |items| items.len() == 1).await;
    assert!(server.servers.pop().unwrap().stop().await.success());
    let answer = server.api().expect(200, "DELETE", DLQ, None).await;
    assert_eq!(answer["purged"], 1);
    server.stop().await;
}

/// Nobody holds letters in hand for a stream without destinations: a request waited ten seconds for somebody who would.
#[tokio::test(flavor = "multi_thread")]
async fn without_destinations_there_is_nothing_to_redrive_or_purge_and_nobody_is_waited_for() {
    let world = World::new().await;
    let server = world.start("run").await;
    let body = json!({"collection_name": "c", "stream_enabled": true});
    server.api.create(body).await;
    let redriven = server
        .api
        .expect(202, "POST", "/api/collections/c/dlq/redrive", None)
        .await;
    assert_eq!(redriven, json!({"redriven": 0, "stale": 0}));
    let purged = server
        .api
        .expect(200, "DELETE", "/api/collections/c/dlq", None)
        .await;
    assert_eq!(purged, json!({"purged": 0}));
    server.kill().await;
}
