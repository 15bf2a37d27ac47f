use bson::doc;
use conduit_testkit::receiver::{Answer, Receiver};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::forms::Form;
use crate::harness::{PATIENCE, World, faulty_fields, insert, streaming};
use crate::looker::Looker;

fn outcome(id: &str, destination: &str, outcome: &str, attempt: u64) -> (String, String, String, u64) {
    (id.to_owned(), destination.to_owned(), outcome.to_owned(), attempt)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_on_sees_each_record_and_what_became_of_it() {
    for form in Form::ALL {
        let world = World::new().await;
        let receiver = Receiver::start().await;
        receiver.answer_with(|request| {
            let is_bad = request.json()["newImage"]["value"] == -1;
            Answer::Status(if is_bad { 400 } else { 204 })
        });
        let server = form.start(&world).await;
        let api = server.api();
        let mut body = streaming("orders", &receiver);
        body["destinations"] = json!([
            {"id": "d", "type": "http", "endpoint": receiver.url(), "max_retries": 1,
             "filter_criteria": {"new_image": {"value": [{"numeric": ["<", 5]}]}}},
        ]);
        api.create(body).await;
        api.until_status("orders", "d", |status| status["state"] == "streaming")
            .await;
        let mut looker = Looker::at(api, "").await;
        let orders = world.collection("orders");
        insert(&orders, "a", 1).await;
        let (event, data) = looker.next().await.unwrap();
        assert_eq!(
            (&*event, &data["outcome"]),
            ("record", &json!("delivered")),
            "{form:?}"
        );
        assert_eq!((&data["destination"], &data["attempt"]), (&json!("d"), &json!(1)));
        assert_eq!(data["error"], json!(null));
        assert!(data["time"].as_str().unwrap().ends_with('Z'), "{data}");
        let delivered = receiver.wait_for(1).await;
        assert_eq!(&data["record"], delivered[0].json(), "{form:?}");
        insert(&orders, "b", 7).await;
        assert_eq!(looker.next_outcome().await, outcome("b", "d", "filtered", 0));
        insert(&orders, "c", -1).await;
        let (_, failed) = looker.next().await.unwrap();
        assert_eq!(
            (&failed["outcome"], &failed["attempt"]),
            (&json!("retried"), &json!(1))
        );
        assert!(
            failed["error"].as_str().unwrap().starts_with("HTTP 400 from"),
            "{failed}"
        );
        let (_, dead) = looker.next().await.unwrap();
        assert_eq!(
            (&dead["outcome"], &dead["attempt"]),
            (&json!("dead_lettered"), &json!(2))
        );
        assert_eq!(dead["record"], failed["record"]);
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_on_chooses_destination_and_types_and_is_told_what_is_wrong_with_the_choice() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let admin = ("CONDUIT_API_TOKEN", "admin-token");
    let server = world
        .start_with("run", &[admin, ("CONDUIT_API_READ_TOKEN", "read-token")])
        .await;
    let api = server.api.with_token("admin-token");
    let mut body = streaming("orders", &receiver);
    body["destinations"] = json!([
        {"id": "d", "type": "http", "endpoint": receiver.url()},
        {"id": "e", "type": "http", "endpoint": receiver.url()},
    ]);
    api.create(body).await;
    for id in ["d", "e"] {
        api.until_status("orders", id, |status| status["state"] == "streaming")
            .await;
    }
    let mut chosen = Looker::at(
        &server.api.with_token("read-token"),
        "?destination=e&event_types=MODIFY,DELETE",
    )
    .await;
    let mut all = Looker::at(&api, "").await;
    let orders = world.collection("orders");
    insert(&orders, "a", 1).await;
    orders
        .update_one(doc! {"_id": "a"}, doc! {"$set": {"value": 2}})
        .await
        .unwrap();
    orders.delete_one(doc! {"_id": "a"}).await.unwrap();
    for record_type in ["MODIFY", "REMOVE"] {
        let (_, data) = chosen.next().await.unwrap();
        assert_eq!(
            (&data["destination"], &data["record"]["recordType"]),
            (&json!("e"), &json!(record_type))
        );
    }
    for _ in 0..6 {
        assert_eq!(all.next_outcome().await.2, "delivered");
    }
    let tail = "/api/collections/orders/tail";
    let answer = api
        .expect(400, "GET", &format!("{tail}?event_types=insert&since=now"), None)
        .await;
    assert_eq!(faulty_fields(&answer), ["since", "event_types"]);
    let answer = api
        .expect(404, "GET", &format!("{tail}?destination=f"), None)
        .await;
    assert_eq!(answer["code"], "destination_not_found");
    let answer = api.expect(404, "GET", "/api/collections/other/tail", None).await;
    assert_eq!(answer["code"], "collection_not_found");
    server.api.expect(401, "GET", tail, None).await;
    server.stop().await;
}

/// A reader that does not read is in nobody's way, and what it did not miss and what it is told to have missed are all.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_too_slow_is_told_how_many_it_missed_and_delays_nothing() {
    for form in [Form::Run, Form::Apart] {
        const COUNT: usize = 300;
        let world = World::new().await;
        let receiver = Receiver::start().await;
        let server = form.start(&world).await;
        let api = server.api();
        api.create(streaming("orders", &receiver)).await;
        api.until_status("orders", "d", |status| status["state"] == "streaming")
            .await;
        let mut slow = Looker::at(api, "").await;
        let orders = world.collection("orders");
        let text = "x".repeat(120_000);
        for number in 0..COUNT {
            let document = doc! {"_id": format!("{number}"), "text": &text};
            orders.insert_one(document).await.unwrap();
        }
        receiver.wait_for(COUNT).await;
        api.until_status("orders", "d", |status| {
            status["delivered"] == COUNT && status["lag_seconds"] == 0.0
        })
        .await;
        let (mut seen, mut missed) = (0, 0);
        while seen + missed < COUNT {
            let (event, data) = slow.next().await.unwrap();
            match &*event {
                "record" => seen += 1,
                _ => missed += usize::try_from(data["count"].as_u64().unwrap()).unwrap(),
            }
        }
        assert_eq!(seen + missed, COUNT, "{form:?}");
        assert!(seen > 0 && missed > 0, "{form:?}: {seen} seen, {missed} missed");
        // From then on it sees everything again.
        insert(&orders, "last", 1).await;
        assert_eq!(slow.next_outcome().await, outcome("last", "d", "delivered", 1));
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_ends_with_the_server_and_is_in_the_way_of_no_stop() {
    for form in Form::ALL {
        let world = World::new().await;
        let receiver = Receiver::start().await;
        let server = form.start(&world).await;
        server.api().create(streaming("orders", &receiver)).await;
        let mut looker = Looker::at(server.api(), "").await;
        let mut unopened = Looker::open(server.api(), "").await;
        let mut servers = server.servers.into_iter();
        let ((status, log), end) = tokio::join!(servers.next().unwrap().stop_and_log(), looker.next());
        assert_eq!(end, None, "{form:?}");
        assert!(status.success() && !log.contains("cut off"), "{log}");
        // It may have been opened before.
        while unopened.next().await.is_some() {}
        for server in servers {
            assert!(server.stop().await.success());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_ends_with_the_collection() {
    for form in Form::ALL {
        let world = World::new().await;
        let receiver = Receiver::start().await;
        let server = form.start(&world).await;
        let api = server.api();
        api.create(streaming("orders", &receiver)).await;
        let mut looker = Looker::at(api, "").await;
        api.create(json!({"collection_name": "others", "deletion_protection": false}))
            .await;
        api.expect(204, "DELETE", "/api/collections/others", None).await;
        insert(&world.collection("orders"), "a", 1).await;
        assert_eq!(
            looker.next_outcome().await,
            outcome("a", "d", "delivered", 1),
            "{form:?}"
        );
        api.expect(204, "DELETE", "/api/collections/orders", None).await;
        assert_eq!(looker.next().await, None, "{form:?}");
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_so_many_places_for_readers_and_each_is_free_again_when_its_reader_goes() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let server = Form::Dev.start(&world).await;
    let api = server.api();
    api.create(streaming("orders", &receiver)).await;
    let mut lookers = Vec::new();
    for _ in 0..64 {
        lookers.push(Looker::at(api, "").await);
    }
    let tail = "/api/collections/orders/tail";
    // One that begins would never end.
    assert_eq!(api.stream(tail).await.0, 429);
    let answer = api.expect(429, "GET", tail, None).await;
    assert_eq!(answer["code"], "too_many_tails");
    lookers.pop();
    let deadline = Instant::now() + PATIENCE;
    while api.stream(tail).await.0 != 200 {
        assert!(Instant::now() < deadline, "the place stays taken");
        sleep(std::time::Duration::from_millis(20)).await;
    }
    server.stop().await;
}

/// Whoever holds the collection: the stream goes on with what the next worker does.
#[tokio::test(flavor = "multi_thread")]
async fn who_looks_on_sees_what_the_next_worker_does_after_one_was_killed() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let mut server = Form::Apart.start(&world).await;
    server.api().create(streaming("orders", &receiver)).await;
    server
        .api()
        .until_status("orders", "d", |status| status["state"] == "streaming")
        .await;
    let mut looker = Looker::at(server.api(), "").await;
    insert(&world.collection("orders"), "a", 1).await;
    assert_eq!(looker.next_outcome().await, outcome("a", "d", "delivered", 1));
    server.servers.pop().unwrap().kill().await;
    let next = world.start("worker").await;
    server
        .api()
        .until_status("orders", "d", |status| status["state"] == "streaming")
        .await;
    // The next worker learns of the reader within two seconds of its start: the first record may come before.
    let orders = world.collection("orders");
    let writing = async {
        for number in 0.. {
            insert(&orders, &format!("b{number}"), 1).await;
            sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    let (id, ..) = tokio::select! {
        () = writing => unreachable!("it goes on"),
        seen = looker.next_outcome() => seen,
    };
    assert!(id.starts_with('b') || id == "a", "{id}");
    assert!(next.stop().await.success());
    server.stop().await;
}
