//! What a failing server makes of records; only a stub fails as it is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use conduit_core::{RecordBatch, RecordType, Sink, SinkErrorKind};
use conduit_testkit::meilisearch::{MeilisearchStub, When, refusal};
use conduit_testkit::receiver::{Answer, Receiver};
use serde_json::{Value, json};

use crate::story::{deliver, delivered, kinds, put, record, remove};
use crate::{config_of, ready_sink_of, server, sink_of};

const BAD: (&str, &str) = ("invalid_document_fields", "invalid_request");

fn has_n(document: &Value, numbers: &[u32]) -> bool {
    numbers.iter().any(|n| document["n"] == json!(n))
}

#[tokio::test]
async fn a_failed_task_is_halved_until_the_guilty_document_is_alone() {
    let stub = MeilisearchStub::start().await;
    let sink = ready_sink_of(&stub).await;
    stub.refuse(|document| has_n(document, &[77]).then_some(BAD));
    let records: Vec<_> = (0..128).map(|n| put(&format!("d{n}"), n)).collect();
    let before = stub.document_tasks();
    let delivery = deliver(&sink, &records).await.unwrap();
    assert_eq!(kinds(&delivery), [(77, SinkErrorKind::Rejected)]);
    let (_, error) = &delivery.failed[0];
    let report = error.report();
    assert!(
        report.contains("invalid_document_fields; the server's task"),
        "{report}"
    );
    assert!(!report.contains("s3cret"), "{report}");
    assert_eq!(
        stub.document_tasks() - before,
        1 + 2 * 7,
        "two halves for each doubling"
    );
    assert_eq!(stub.documents("orders").len(), 1 + 127);
}

#[tokio::test]
async fn all_guilty_documents_are_found() {
    let stub = MeilisearchStub::start().await;
    let sink = ready_sink_of(&stub).await;
    stub.refuse(|document| (document["n"].as_u64()? % 3 == 1).then_some(BAD));
    let records: Vec<_> = (0..40).map(|n| put(&format!("d{n}"), n)).collect();
    let delivery = deliver(&sink, &records).await.unwrap();
    let expected: Vec<_> = (0..40)
        .filter(|n| n % 3 == 1)
        .map(|n| (n, SinkErrorKind::Rejected))
        .collect();
    assert_eq!(kinds(&delivery), expected);
}

#[tokio::test]
async fn what_follows_a_refused_record_of_its_document_is_not_sent() {
    let stub = MeilisearchStub::start().await;
    let sink = ready_sink_of(&stub).await;
    stub.refuse(|document| has_n(document, &[2]).then_some(BAD));
    let records = [put("a", 1), put("a", 2), put("b", 3), put("a", 4), remove("a")];
    let delivery = deliver(&sink, &records).await.unwrap();
    let not_sent = SinkErrorKind::NotSent;
    assert_eq!(
        kinds(&delivery),
        [(1, SinkErrorKind::Rejected), (3, not_sent), (4, not_sent)]
    );
    let documents = stub.documents("orders");
    assert_eq!(
        (&documents["a"]["n"], &documents["b"]["n"]),
        (&json!(1), &json!(3))
    );
}

#[tokio::test]
async fn a_payload_that_is_too_large_is_halved_and_alone_can_never_be_delivered() {
    let stub = MeilisearchStub::start().await;
    let sink = ready_sink_of(&stub).await;
    stub.set_max_payload(4000);
    let large = |id: &str, bytes: usize| {
        let image = json!({ "_id": id, "text": "x".repeat(bytes) });
        record(RecordType::Insert, &json!({ "_id": id }), Some(&image))
    };
    let mut records: Vec<_> = (0..16).map(|n| large(&format!("d{n}"), 1000)).collect();
    records[5] = large("d5", 5000);
    let delivery = deliver(&sink, &records).await.unwrap();
    assert_eq!(kinds(&delivery), [(5, SinkErrorKind::Undeliverable)]);
    assert!(
        delivery.failed[0].1.report().contains("HTTP 413"),
        "{:?}",
        delivery.failed
    );
    assert_eq!(stub.documents("orders").len(), 1 + 15);
}

#[tokio::test]
async fn a_server_that_fails_inside_is_unavailable_and_no_document_is_blamed() {
    let stub = MeilisearchStub::start().await;
    let sink = ready_sink_of(&stub).await;
    let records: Vec<_> = (0..10).map(|n| put(&format!("d{n}"), n)).collect();
    for code in [
        ("internal", "internal"),
        ("no_space_left_on_device", "system"),
        ("database_size_limit_reached", "internal"),
    ] {
        let before = stub.document_tasks();
        stub.end_next_with([Some(code)]);
        let error = deliver(&sink, &records).await.unwrap_err();
        assert_eq!(error.kind(), SinkErrorKind::Unavailable, "{error:?}");
        assert_eq!(stub.document_tasks() - before, 1);
    }
    delivered(&sink, &records).await;
}

#[tokio::test]
async fn an_embedder_that_is_down_is_not_the_documents_fault_but_one_it_chokes_on_is() {
    const NO_EMBEDDING: (&str, &str) = ("vector_embedding_error", "invalid_request");
    let stub = MeilisearchStub::start().await;
    let sink = ready_sink_of(&stub).await;
    let records: Vec<_> = (0..64).map(|n| put(&format!("d{n}"), n)).collect();
    stub.refuse(|_| Some(NO_EMBEDDING));
    let before = stub.document_tasks();
    let error = deliver(&sink, &records).await.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Unavailable);
    assert_eq!(
        stub.document_tasks() - before,
        1 + 6,
        "the first document alone is enough"
    );
    stub.refuse(|document| has_n(document, &[50]).then_some(NO_EMBEDDING));
    let delivery = deliver(&sink, &records).await.unwrap();
    assert_eq!(kinds(&delivery), [(50, SinkErrorKind::Unavailable)]);
}

#[tokio::test]
async fn records_that_can_never_be_documents_are_named_and_the_others_get_through() {
    let stub = MeilisearchStub::start().await;
    let sink = sink_of(&stub);
    let own = json!({ "_id": "c", "_conduit_id": "mine" });
    let records = [
        put("a", 1),
        record(RecordType::Insert, &json!({ "_id": "b" }), None),
        record(RecordType::Insert, &json!({ "_id": "c" }), Some(&own)),
        remove("d"),
    ];
    let delivery = deliver(&sink, &records).await.unwrap();
    let never = SinkErrorKind::Undeliverable;
    assert_eq!(kinds(&delivery), [(1, never), (2, never)]);
}

#[tokio::test]
async fn a_call_of_nothing_to_do_asks_nobody() {
    let stub = MeilisearchStub::start().await;
    let sink = sink_of(&stub);
    delivered(&sink, &[record(RecordType::Modify, &json!({ "_id": "a" }), None)]).await;
    assert!(stub.receiver().received().is_empty());
}

#[tokio::test]
async fn what_was_delivered_before_the_server_asked_to_wait_counts() {
    let stub = MeilisearchStub::start().await;
    let sink = ready_sink_of(&stub).await;
    stub.spoil(|request| {
        let is_delete = request.target().ends_with("/delete-batch");
        is_delete.then_some((When::Before, Answer::with_header(503, "Retry-After", "10")))
    });
    let records = [put("a", 1), remove("b"), put("b", 1)];
    let delivery = deliver(&sink, &records).await.unwrap();
    let throttled = SinkErrorKind::Throttled {
        retry_after: Some(Duration::from_secs(10)),
    };
    assert_eq!(kinds(&delivery), [(1, throttled), (2, SinkErrorKind::NotSent)]);
}

#[tokio::test]
async fn nothing_is_sent_once_the_right_to_send_has_ended() {
    let stub = MeilisearchStub::start().await;
    let sink = ready_sink_of(&stub).await;
    let may = Arc::new(AtomicBool::new(true));
    let asked = may.clone();
    let batch = RecordBatch::new(vec![put("a", 1)]).with_permission(move || asked.load(Ordering::SeqCst));
    may.store(false, Ordering::SeqCst);
    let error = sink.deliver(&batch).await.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::NotSent, "{error:?}");
    assert_eq!(stub.document_tasks(), 1);
    may.store(true, Ordering::SeqCst);
    assert!(sink.deliver(&batch).await.unwrap().failed.is_empty());
}

#[tokio::test]
async fn a_server_that_is_not_meilisearch_is_the_operators_to_mend() {
    let receiver = Receiver::start().await;
    let config = conduit_sinks::meilisearch::MeilisearchConfig::new(receiver.url(), "orders");
    let sink = server::sink(config);
    for answer in [
        Answer::with_body(200, "<html>welcome</html>"),
        Answer::Status(404),
        Answer::with_header(302, "location", "/login"),
        Answer::with_body(400, "bad gateway"),
    ] {
        let shown = format!("{answer:?}");
        receiver.answer_in_turn([answer]);
        let error = deliver(&sink, &[put("a", 1)]).await.unwrap_err();
        assert_eq!(error.kind(), SinkErrorKind::Unauthorized, "{shown}: {error:?}");
    }
}

#[tokio::test]
async fn an_endpoint_below_a_path_is_used_as_it_is() {
    let receiver = Receiver::start().await;
    let config =
        conduit_sinks::meilisearch::MeilisearchConfig::new(format!("{}/search/", receiver.url()), "orders");
    let sink = server::sink(config);
    assert_eq!(sink.endpoint(), Some(receiver.url()));
    deliver(&sink, &[put("a", 1)]).await.unwrap_err();
    assert_eq!(receiver.received()[0].target(), "/search/indexes/orders");
}

#[tokio::test]
async fn messages_name_the_servers_code_and_never_quote_what_was_sent() {
    let stub = MeilisearchStub::start().await;
    let sink = ready_sink_of(&stub).await;
    for (status, code) in [(400, "malformed_payload"), (500, "internal"), (422, "io_error")] {
        stub.spoil(move |request| {
            let is_write = request.method() == "POST";
            is_write.then(|| (When::Before, refusal(status, code, "system")))
        });
        let error = deliver(&sink, &[put("a", 1)]).await.unwrap_err();
        let url = stub.url();
        assert_eq!(error.report(), format!("HTTP {status} from {url}/: {code}"));
    }
}

#[tokio::test]
async fn tasks_that_cannot_be_asked_for_are_asked_for_when_their_records_come_again() {
    let stub = MeilisearchStub::start().await;
    let sink = ready_sink_of(&stub).await;
    let records = [put("a", 1)];
    stub.spoil(|request| {
        let is_look = request.target().starts_with("/tasks/");
        is_look.then_some((When::Before, Answer::Status(502)))
    });
    let error = deliver(&sink, &records).await.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Unavailable);
    stub.recover();
    delivered(&sink, &records).await;
    assert_eq!(stub.document_tasks(), 2);
}

#[tokio::test]
async fn the_limits_and_the_name_are_as_documented() {
    let stub = MeilisearchStub::start().await;
    let sink = server::sink(config_of(&stub));
    let limits = sink.limits();
    assert_eq!(limits.max_records, 1000);
    assert_eq!(limits.timeout, Duration::from_secs(300));
    assert_eq!(limits.same_key, conduit_core::SameKey::InOrder);
    assert_eq!(sink.endpoint(), Some(stub.url()));
}
