//! The log of a run with `LOG_FORMAT=json`: what machines and people search it by.

use conduit_testkit::receiver::{Answer, Receiver};
use serde_json::{Value, json};

use crate::harness::{Server, World, insert, streaming};

/// Every line, parsed.
fn lines(server: &Server) -> Vec<Value> {
    let log = server.log();
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
    log.lines().map(parse).collect()
}

fn saying<'a>(lines: &'a [Value], message: &str) -> Vec<&'a Value> {
    let says = |line: &&Value| {
        line["message"]
            .as_str()
            .is_some_and(|text| text.contains(message))
    };
    lines.iter().filter(says).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_about_deliveries_name_collection_destination_and_record() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    receiver.answer_with(|_| Answer::Status(422));
    let verbose = [("LOG_FORMAT", "json"), ("RUST_LOG", "info,conduit_core=debug")];
    let server = world.start_with("run", &verbose).await;
    let mut body = streaming("orders", &receiver);
    body["destinations"][0]["max_retries"] = json!(1);
    server.api.create(body).await;
    insert(&world.collection("orders"), "a", 1).await;
    server
        .api
        .until_status("orders", "d", |status| status["dlq_length"] == 1)
        .await;
    let event_id = receiver.received()[0].json()["eventID"].clone();
    assert!(event_id.is_string());

    let lines = lines(&server);
    for line in &lines {
        for field in ["timestamp", "level", "message", "target"] {
            assert!(line[field].is_string(), "{field} is missing in {line}");
        }
        assert!(line.get("subscription").is_none(), "{line}");
    }
    let of_records: Vec<&Value> = lines
        .iter()
        .filter(|line| line.get("event_id").is_some())
        .collect();
    for line in &of_records {
        assert_eq!(
            (&line["collection"], &line["destination"], &line["event_id"]),
            (&json!("orders"), &json!("d"), &event_id),
            "{line}"
        );
        assert!(line["attempt"].is_u64(), "{line}");
        assert!(
            line["error"].as_str().is_some_and(|error| error.contains("422")),
            "{line}"
        );
    }
    let said: Vec<(&str, &Value)> = of_records
        .iter()
        .map(|line| (line["level"].as_str().unwrap(), &line["attempt"]))
        .collect();
    assert_eq!(said, [("DEBUG", &json!(1)), ("ERROR", &json!(2))]);
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_fails_as_a_whole_is_said_once() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    receiver.answer_with(|_| Answer::Status(503));
    let server = world.start_with("run", &[("LOG_FORMAT", "json")]).await;
    server.api.create(streaming("orders", &receiver)).await;
    let orders = world.collection("orders");
    for number in 0..60 {
        insert(&orders, &format!("k{number}"), number).await;
    }
    server
        .api
        .until_status("orders", "d", |status| status["state"] == "holding")
        .await;
    // Two probes more.
    let asked = receiver.received().len();
    receiver.wait_until(|all| all.len() >= asked + 2).await;
    let log = lines(&server);
    let held = saying(&log, "held");
    assert_eq!(held.len(), 1, "{held:?}");
    assert_eq!(
        (&held[0]["collection"], &held[0]["destination"], &held[0]["level"]),
        (&json!("orders"), &json!("d"), &json!("WARN"))
    );
    assert!(held[0]["reason"].as_str().unwrap().contains("503"), "{}", held[0]);
    receiver.answer_with(|_| Answer::Status(204));
    server
        .api
        .until_status("orders", "d", |status| {
            status["state"] == "streaming" && status["retry_length"] == 0
        })
        .await;
    let log = lines(&server);
    assert_eq!(saying(&log, "answers again").len(), 1);
    let loud = log
        .iter()
        .filter(|line| line["destination"] == "d" && line["level"] != "INFO");
    assert_eq!(loud.count(), 1, "{}", server.log());
    server.kill().await;
}
