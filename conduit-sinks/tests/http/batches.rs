//! Several records in one request.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::{Delivery, Record, RecordBatch, SameKey, Sink, SinkError, SinkErrorKind};
use conduit_sinks::format::PayloadFormat;
use conduit_sinks::http::{BATCH_CONCURRENCY, HttpBatch, HttpConfig, HttpSink};
use conduit_testkit::receiver::{Answer, Receiver};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::{config, record, sink};

fn batched(config: HttpConfig) -> HttpSink {
    sink(config.with_batch(HttpBatch::default()))
}

fn records(numbers: &[u32]) -> Vec<Arc<Record>> {
    numbers.iter().map(|number| record(*number)).collect()
}

async fn deliver(sink: &HttpSink, numbers: &[u32]) -> Result<Delivery, SinkError> {
    sink.deliver(&RecordBatch::new(records(numbers))).await
}

fn indexes(delivery: &Delivery) -> Vec<usize> {
    delivery.failed.iter().map(|(index, _)| *index).collect()
}

#[tokio::test]
async fn a_batch_is_an_array_of_the_records_byte_for_byte() {
    let receiver = Receiver::start().await;
    let sink = batched(config(&receiver));
    assert!(deliver(&sink, &[3, 1, 2]).await.unwrap().failed.is_empty());
    assert!(deliver(&sink, &[4]).await.unwrap().failed.is_empty());
    let received = receiver.received();
    let text = |number| String::from_utf8(record(number).json().to_vec()).unwrap();
    assert_eq!(
        String::from_utf8(received[0].body().to_vec()).unwrap(),
        format!("[{},{},{}]", text(3), text(1), text(2))
    );
    assert_eq!(
        String::from_utf8(received[1].body().to_vec()).unwrap(),
        format!("[{}]", text(4))
    );
    assert_eq!(received[0].header("content-type"), Some("application/json"));
    assert_eq!(received[0].header("webhook-timestamp"), Some("1792778647"));
}

#[tokio::test]
async fn a_test_is_a_batch_of_one_and_fails_if_the_answer_names_it() {
    let receiver = Receiver::start().await;
    let sink = batched(config(&receiver));
    let refusal = json!({"batchItemFailures": [{"itemIdentifier": "event-1"}]}).to_string();
    receiver.answer_in_turn([Answer::Status(202), Answer::with_body(207, refusal)]);
    assert_eq!(sink.test(record(1)).await.unwrap().status, Some(202));
    let error = sink.test(record(1)).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.status()),
        (SinkErrorKind::Rejected, Some(207))
    );
    assert!(
        receiver
            .received()
            .iter()
            .all(|request| request.json().is_array())
    );
}

#[tokio::test]
async fn the_same_records_in_the_same_order_have_the_same_id() {
    let receiver = Receiver::start().await;
    let sink = batched(config(&receiver));
    for numbers in [&[1, 2][..], &[1, 2], &[2, 1], &[1], &[1, 2, 3]] {
        deliver(&sink, numbers).await.unwrap();
    }
    let received = receiver.received();
    let id = |index: usize| received[index].header("webhook-id").unwrap();
    // Receivers keep it, so it never changes between versions.
    assert_eq!(id(0), "batch-03cbebbd602996d4c8cd10854a1b42e8");
    assert_eq!(id(0), id(1));
    for other in 2..5 {
        assert_ne!(id(0), id(other));
    }
}

#[tokio::test]
async fn limits_are_those_of_the_configuration_with_room_for_brackets_and_commas() {
    let receiver = Receiver::start().await;
    let mut batch = HttpBatch::default();
    batch.max_records = 5;
    batch.max_bytes = 4096;
    batch.max_wait = Duration::from_secs(2);
    let sink = sink(config(&receiver).with_batch(batch));
    let limits = sink.limits();
    assert_eq!((limits.max_records, limits.max_bytes), (5, 4090));
    assert_eq!(limits.concurrency, BATCH_CONCURRENCY);
    assert_eq!(limits.same_key, SameKey::OncePerCall);
    assert_eq!(sink.limits().linger, Duration::from_secs(2));
    let error = deliver(&sink, &[1, 2, 3, 4, 5, 6]).await.unwrap_err();
    assert_eq!(error.report(), "a call holds 6 records, not 1 to 5");
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn the_records_that_the_answer_names_have_failed_and_no_others() {
    let receiver = Receiver::start().await;
    let sink = batched(config(&receiver));
    let failures = json!({"batchItemFailures": [
        {"itemIdentifier": "event-3"}, {"itemIdentifier": "event-1"}, {"itemIdentifier": "event-3"},
    ]});
    receiver.answer_in_turn([Answer::with_body(200, failures.to_string())]);
    let delivery = deliver(&sink, &[1, 2, 3]).await.unwrap();
    assert_eq!(indexes(&delivery), [0, 2]);
    for (_, error) in &delivery.failed {
        assert_eq!(error.kind(), SinkErrorKind::Rejected);
        let url = receiver.url();
        assert_eq!(
            error.report(),
            format!("{url}/ names the record in batchItemFailures")
        );
    }
}

#[tokio::test]
async fn without_a_list_all_are_delivered() {
    let receiver = Receiver::start().await;
    let sink = batched(config(&receiver));
    let bodies = [
        "",
        "OK",
        r#"{"batchItemFailures": []}"#,
        r#"{"taken": 3}"#,
        "\u{1f44d}",
    ];
    receiver.answer_in_turn(
        bodies
            .map(|body| Answer::with_body(202, body))
            .into_iter()
            .chain([Answer::Status(204)]),
    );
    for _ in 0..=bodies.len() {
        assert!(deliver(&sink, &[1, 2, 3]).await.unwrap().failed.is_empty());
    }
}

/// A list that names what was not sent may name a record by another id: which one is anybody's guess.
#[tokio::test]
async fn an_answer_that_cannot_be_understood_acknowledges_nothing() {
    let receiver = Receiver::start().await;
    let sink = batched(config(&receiver));
    let list = |text: &str| Answer::with_body(200, format!(r#"{{"batchItemFailures":{text}}}"#));
    let long = format!(r#"[{{"itemIdentifier":"{}"}}]"#, "x".repeat(1 << 20));
    let compressed = Answer::StatusWith {
        code: 200,
        headers: vec![("content-encoding".to_owned(), "gzip".to_owned())],
        body: vec![0x1f, 0x8b].into(),
    };
    let answers = [
        list(r#"[{"itemIdentifier":"event-1"},{"itemIdentifier":"event-9"}]"#),
        list(r#"[{"itemIdentifier":""}]"#),
        list(r#"["event-1"]"#),
        list("1"),
        list("[{"),
        list(&long),
        compressed,
    ];
    let count = answers.len();
    receiver.answer_in_turn(answers);
    for _ in 0..count {
        let error = deliver(&sink, &[1, 2, 3]).await.unwrap_err();
        assert_eq!(error.kind(), SinkErrorKind::Rejected, "{error:?}");
        assert!(
            error.message().starts_with("the answer to the batch from "),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_answer_whose_body_does_not_come_acknowledges_nothing() {
    let receiver = Receiver::start().await;
    receiver.answer_with(|_| Answer::HeadOnly(10));
    let sink = batched(config(&receiver).with_timeout(Duration::from_millis(300)));
    let error = deliver(&sink, &[1, 2]).await.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Timeout, "{error:?}");
}

#[tokio::test]
async fn any_other_status_is_about_the_whole_batch_whatever_its_body_says() {
    let receiver = Receiver::start().await;
    let sink = batched(config(&receiver));
    let failures = r#"{"batchItemFailures":[{"itemIdentifier":"event-1"}]}"#;
    for (status, kind) in [
        (400, SinkErrorKind::Rejected),
        (413, SinkErrorKind::Rejected),
        (500, SinkErrorKind::Unavailable),
        (401, SinkErrorKind::Unauthorized),
    ] {
        receiver.answer_in_turn([Answer::with_body(status, failures)]);
        assert_eq!(deliver(&sink, &[1, 2]).await.unwrap_err().kind(), kind);
    }
}

#[tokio::test]
async fn cloud_events_go_alone_or_in_a_batch_each_with_its_content_type() {
    let receiver = Receiver::start().await;
    let events = config(&receiver).with_format(PayloadFormat::CloudEvents);
    crate::deliver(&sink(events.clone()), 1).await.unwrap();
    deliver(&batched(events), &[1, 2]).await.unwrap();
    let received = receiver.received();
    assert_eq!(
        received[0].header("content-type"),
        Some("application/cloudevents+json")
    );
    assert_eq!(received[0].header("webhook-id"), Some("event-1"));
    assert_eq!(received[0].json()["id"], "event-1");
    assert_eq!(received[0].json()["data"]["eventID"], "event-1");
    assert_eq!(
        received[1].header("content-type"),
        Some("application/cloudevents-batch+json")
    );
    assert_eq!(received[1].json()[1]["data"]["newImage"]["name"], "Zoë");
}

/// What came of it may be a whole answer, and is not all of it.
#[tokio::test]
async fn an_answer_that_breaks_off_acknowledges_nothing() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"]") {
            stream.read_buf(&mut request).await.unwrap();
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 80\r\n\r\n{\"taken\": 2}\n";
        stream.write_all(answer).await.unwrap();
    });
    let error = deliver(&batched(HttpConfig::new(url)), &[1, 2])
        .await
        .unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Unavailable, "{error:?}");
    server.await.unwrap();
}
