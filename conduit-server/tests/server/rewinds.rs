use bson::doc;
use conduit_testkit::receiver::{Ledger, Receiver};
use conduit_testkit::servers::{MongoServer, Topology};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::forms::Form;
use crate::harness::{PATIENCE, World, insert, streaming};

const PATH: &str = "/api/collections/orders/rewind";

/// The second of a record's change.
fn second_of(record: &Value) -> String {
    let moment = jiff::Timestamp::from_millisecond(record["timestamp"].as_i64().unwrap()).unwrap();
    jiff::Timestamp::from_second(moment.as_second())
        .unwrap()
        .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewound_stream_delivers_again_from_there_once_and_now_skips_what_was_not_delivered() {
    for form in Form::ALL {
        let world = World::new().await;
        let receiver = Receiver::start().await;
        let server = form.start(&world).await;
        server.api().create(streaming("orders", &receiver)).await;
        let orders = world.collection("orders");
        for value in 0..3 {
            insert(&orders, &format!("k{value}"), value).await;
        }
        let received = receiver.wait_for(3).await;
        let body = json!({"to": second_of(received[0].json())});
        let answer = server.api().expect(202, "POST", PATH, Some(body)).await;
        assert_eq!(answer["destinations"], json!(["d"]), "{answer}");
        receiver.wait_for(6).await;
        server
            .api()
            .until_status("orders", "d", |status| status["lag_seconds"] == 0.0)
            .await;
        // It is applied once, also after a restart.
        server.stop().await;
        let server = form.start(&world).await;
        insert(&orders, "later", 1).await;
        let received = receiver.wait_for(7).await;
        assert_eq!(received[6].json()["keys"]["_id"], "later", "{form:?}");
        let ledger = Ledger::of_acknowledged(&received);
        ledger.assert_clean();
        assert_eq!((ledger.count(), ledger.repeats()), (4, 3));

        server
            .api()
            .expect(200, "POST", "/api/collections/orders/pause", None)
            .await;
        insert(&orders, "skipped", 1).await;
        let body = json!({"to": "now", "destination": "d"});
        server.api().expect(202, "POST", PATH, Some(body)).await;
        insert(&orders, "not skipped", 1).await;
        server
            .api()
            .expect(200, "POST", "/api/collections/orders/resume", None)
            .await;
        let received = receiver.wait_for(8).await;
        assert_eq!(received[7].json()["keys"]["_id"], "not skipped", "{form:?}");
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_rewinds_are_refused_at_their_place() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let server = world.start("run").await;
    server.api.create(streaming("orders", &receiver)).await;
    for (body, fields) in [
        (json!({}), &["to"][..]),
        (json!({"to": "2999-01-01T00:00:00Z"}), &["to"]),
        (json!({"to": "soon", "from": 1}), &["to", "from"]),
        (json!({"to": 5, "destination": []}), &["to", "destination"]),
        (json!(["now"]), &["(body)"]),
    ] {
        let answer = server.api.expect(400, "POST", PATH, Some(body)).await;
        let faults = answer["errors"].as_array().unwrap();
        let places: Vec<&Value> = faults.iter().map(|fault| &fault["field"]).collect();
        assert_eq!(places, fields, "{answer}");
    }
    let unknown = json!({"to": "now", "destination": "e"});
    let answer = server.api.expect(404, "POST", PATH, Some(unknown)).await;
    assert_eq!(answer["code"], "destination_not_found");
    server.api.patch("orders", json!({"stream_enabled": false})).await;
    let answer = server
        .api
        .expect(409, "POST", PATH, Some(json!({"to": "now"})))
        .await;
    assert_eq!(answer["code"], "stream_disabled");
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewind_beyond_the_oplog_is_refused_and_one_to_now_ends_a_halt() {
    let mut mongodb = MongoServer::start_as(Topology::SmallOplog).await;
    let world = World::on(&mongodb.uri()).await;
    let receiver = Receiver::start().await;
    let server = world.start("run").await;
    server.api.create(streaming("orders", &receiver)).await;
    let orders = world.collection("orders");
    insert(&orders, "a", 1).await;
    let received = receiver.wait_for(1).await;
    let body = json!({"to": second_of(received[0].json())});
    server
        .api
        .expect(200, "POST", "/api/collections/orders/pause", None)
        .await;
    insert(&orders, "lost", 1).await;
    // Its oplog holds 16 MB.
    let padding = "x".repeat(1 << 20);
    let deadline = Instant::now() + PATIENCE;
    let refused = loop {
        assert!(Instant::now() < deadline, "the history is still there");
        for _ in 0..8 {
            let document = doc! {"padding": &padding};
            world.collection("elsewhere").insert_one(document).await.unwrap();
        }
        let (status, answer) = server.api.call("POST", PATH, Some(body.clone())).await;
        if status.as_u16() != 202 {
            break answer;
        }
    };
    assert_eq!(
        (&refused["status"], &refused["code"]),
        (&json!(409), &json!("history_lost")),
        "{refused}"
    );
    server
        .api
        .expect(200, "POST", "/api/collections/orders/resume", None)
        .await;
    // Its own position is gone too, which only an operator can decide about.
    server
        .api
        .until_status("orders", "d", |status| {
            status["state"] == "halted" && status["reason"] == "history_lost"
        })
        .await;
    server
        .api
        .expect(202, "POST", PATH, Some(json!({"to": "now"})))
        .await;
    insert(&orders, "b", 1).await;
    receiver
        .wait_until(|all| all.iter().any(|request| request.json()["keys"]["_id"] == "b"))
        .await;
    mongodb.kill();
    let answer = server
        .api
        .expect(503, "POST", PATH, Some(json!({"to": "now"})))
        .await;
    assert_eq!(answer["code"], "dependency_unavailable");
    server.kill().await;
}
