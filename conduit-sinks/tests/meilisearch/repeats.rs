//! What a sink does with records whose task it has sent already.

use std::sync::Arc;

use conduit_core::{Record, RecordBatch, Sink, SinkErrorKind};
use conduit_sinks::meilisearch::MeilisearchSink;
use conduit_testkit::meilisearch::{MeilisearchStub, Work};
use serde_json::{Value, json};

use crate::story::{deliver, delivered, kinds, put, remove};
use crate::{SHORT, config_of, impatient_sink_of, ready_sink_of, server, sink_of};

fn numbers(stub: &MeilisearchStub) -> Vec<(String, Value)> {
    let documents = stub.documents("orders").into_iter();
    documents
        .filter(|(id, _)| id != "first")
        .map(|(id, document)| (id, document["n"].clone()))
        .collect()
}

/// Makes a call and drops it once the server has got `count` tasks of documents in all.
async fn drop_after(stub: &MeilisearchStub, count: usize, sink: &MeilisearchSink, records: &[Arc<Record>]) {
    let batch = RecordBatch::new(records.to_vec());
    tokio::select! {
        biased;
        answer = sink.deliver(&batch) => panic!("the call ended: {answer:?}"),
        () = async {
            stub.wait_for_document_tasks(count).await;
            // The task is asked for once its uid is known.
            let uid = format!("/tasks/{}", stub.tasks().len() - 1);
            stub.receiver().wait_until(|received| received.iter().any(|request| request.target() == uid)).await;
        } => {}
    }
}

#[tokio::test]
async fn a_task_that_still_runs_is_waited_for_and_never_sent_again() {
    let stub = MeilisearchStub::start().await;
    let sink = impatient_sink_of(&stub).await;
    stub.hold();
    let (first, second) = (put("a", 1), put("b", 1));
    for call in [
        vec![first.clone(), second.clone()],
        vec![second.clone()],
        vec![first.clone()],
    ] {
        let error = deliver(&sink, &call).await.unwrap_err();
        assert_eq!(error.kind(), SinkErrorKind::Timeout, "{error:?}");
        assert!(
            error.report().contains("task 2 on index orders of http://"),
            "{error}"
        );
        assert_eq!(stub.document_tasks(), 2, "it was sent again");
    }
    stub.release();
    delivered(&sink, &[second]).await;
    delivered(&sink, &[first]).await;
    assert_eq!(stub.document_tasks(), 2);
    assert_eq!(
        numbers(&stub),
        [("a".to_owned(), json!(1)), ("b".to_owned(), json!(1))]
    );
}

#[tokio::test]
async fn a_call_that_was_dropped_is_taken_up_again_and_only_new_records_are_sent() {
    let stub = MeilisearchStub::start().await;
    let sink = ready_sink_of(&stub).await;
    stub.hold();
    let (first, second) = (put("a", 1), put("b", 1));
    drop_after(&stub, 2, &sink, &[first.clone(), second.clone()]).await;
    stub.release();
    delivered(&sink, &[second, put("c", 1), put("b", 2)]).await;
    assert_eq!(stub.document_tasks(), 3);
    delivered(&sink, &[first]).await;
    assert_eq!(stub.document_tasks(), 3);
    let expected = [("a", 1), ("b", 2), ("c", 1)].map(|(id, n)| (id.to_owned(), json!(n)));
    assert_eq!(numbers(&stub), expected);
}

/// The call was dropped while its second task ran. The first record of the document comes again: its task had succeeded
/// in that call, so sending it again would put back what the second deletes.
#[tokio::test]
async fn what_a_dropped_call_got_through_is_remembered_too() {
    let stub = MeilisearchStub::start().await;
    let sink = ready_sink_of(&stub).await;
    let (first, second) = (put("a", 1), remove("a"));
    // The put, task 2, is worked on; the delete, task 3, is not.
    stub.hold_from(3);
    drop_after(&stub, 3, &sink, &[first.clone(), second.clone()]).await;
    stub.release();
    delivered(&sink, &[first]).await;
    delivered(&sink, &[second]).await;
    assert_eq!(stub.document_tasks(), 3);
    assert!(numbers(&stub).is_empty());
}

/// A rewind brings an older record of a document, one that the sink knows nothing of.
#[tokio::test]
async fn what_follows_a_record_that_is_sent_is_sent_again_after_it() {
    let stub = MeilisearchStub::start().await;
    let sink = impatient_sink_of(&stub).await;
    let (older, newer) = (put("a", 1), put("a", 2));
    stub.hold();
    deliver(&sink, std::slice::from_ref(&newer)).await.unwrap_err();
    stub.release();
    delivered(&sink, &[older]).await;
    assert_eq!(numbers(&stub), [("a".to_owned(), json!(1))]);
    delivered(&sink, &[newer]).await;
    assert_eq!(numbers(&stub), [("a".to_owned(), json!(2))]);
}

#[tokio::test]
async fn in_one_call_too_what_follows_is_sent_again() {
    let stub = MeilisearchStub::start().await;
    let sink = impatient_sink_of(&stub).await;
    let (older, newer) = (put("a", 1), put("a", 2));
    stub.hold();
    deliver(&sink, std::slice::from_ref(&newer)).await.unwrap_err();
    stub.release();
    delivered(&sink, &[older, newer]).await;
    assert_eq!(numbers(&stub), [("a".to_owned(), json!(2))]);
}

#[tokio::test]
async fn a_task_that_failed_unseen_is_done_again() {
    let stub = MeilisearchStub::start().await;
    let sink = impatient_sink_of(&stub).await;
    stub.hold();
    let records = [put("a", 1), put("b", 1)];
    deliver(&sink, &records).await.unwrap_err();
    stub.end_next_with([Some(("internal", "internal"))]);
    stub.release();
    delivered(&sink, &records).await;
    assert_eq!(stub.document_tasks(), 3);
    assert_eq!(numbers(&stub).len(), 2);
}

#[tokio::test]
async fn a_task_that_was_canceled_or_is_not_known_any_more_is_done_again() {
    for is_canceled in [true, false] {
        let stub = MeilisearchStub::start().await;
        let sink = impatient_sink_of(&stub).await;
        stub.hold();
        let records = [put("a", 1)];
        deliver(&sink, &records).await.unwrap_err();
        if is_canceled {
            stub.cancel(2);
        } else {
            stub.forget(2);
        }
        stub.release();
        delivered(&sink, &records).await;
        assert_eq!(stub.document_tasks(), 3);
    }
}

#[tokio::test]
async fn a_task_that_is_canceled_while_it_is_waited_for_is_unavailable() {
    let stub = MeilisearchStub::start().await;
    let sink = ready_sink_of(&stub).await;
    stub.hold();
    let records = [put("a", 1)];
    let call = deliver(&sink, &records);
    let cancel = async {
        stub.wait_for_document_tasks(2).await;
        stub.cancel(2);
    };
    let (answer, ()) = tokio::join!(call, cancel);
    let error = answer.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Unavailable);
    assert!(error.report().ends_with("was canceled"), "{error}");
}

#[tokio::test]
async fn creation_and_settings_are_asked_for_once() {
    let stub = MeilisearchStub::start().await;
    let settings = json!({ "searchableAttributes": ["name"] });
    let config = config_of(&stub).with_timeout(SHORT);
    let sink = server::sink(config.with_settings(settings.as_object().unwrap().clone()));
    let count = |is_meant: fn(&Work) -> bool| stub.tasks().iter().filter(|task| is_meant(&task.work)).count();
    let is_creation = |work: &Work| matches!(work, Work::CreateIndex(_));
    let is_settings = |work: &Work| matches!(work, Work::Settings(_));
    stub.hold();
    for _ in 0..2 {
        let error = deliver(&sink, &[put("a", 1)]).await.unwrap_err();
        assert_eq!(error.kind(), SinkErrorKind::Timeout);
        assert_eq!((count(is_creation), count(is_settings)), (1, 0));
    }
    stub.hold_from(1);
    for _ in 0..2 {
        deliver(&sink, &[put("a", 1)]).await.unwrap_err();
        assert_eq!((count(is_creation), count(is_settings)), (1, 1));
    }
    stub.release();
    let calls = (0..8).map(|n| {
        let sink = &sink;
        async move { delivered(sink, &[put(&format!("d{n}"), 1)]).await }
    });
    futures_util::future::join_all(calls).await;
    assert_eq!((count(is_creation), count(is_settings)), (1, 1));
}

#[tokio::test]
async fn calls_at_the_same_time_set_up_the_index_once() {
    let stub = MeilisearchStub::start().await;
    let settings = json!({ "searchableAttributes": ["name"] });
    let sink = server::sink(config_of(&stub).with_settings(settings.as_object().unwrap().clone()));
    let calls = (0..8).map(|n| {
        let sink = &sink;
        async move { delivered(sink, &[put(&format!("d{n}"), 1)]).await }
    });
    futures_util::future::join_all(calls).await;
    let others = stub.tasks().len() - stub.document_tasks();
    assert_eq!(others, 2, "{:?}", stub.tasks());
}

#[tokio::test]
async fn a_sink_that_knows_nothing_sends_again_and_it_does_no_harm() {
    let stub = MeilisearchStub::start().await;
    let records = [put("a", 1), put("a", 2), remove("b")];
    let sink = impatient_sink_of(&stub).await;
    stub.hold();
    deliver(&sink, &records).await.unwrap_err();
    stub.release();
    // The process was restarted.
    delivered(&sink_of(&stub), &records).await;
    assert_eq!(numbers(&stub), [("a".to_owned(), json!(2))]);
}

#[tokio::test]
async fn what_was_done_before_the_time_was_over_is_delivered() {
    let stub = MeilisearchStub::start().await;
    let sink = impatient_sink_of(&stub).await;
    let records = [put("a", 1), remove("b"), put("c", 1), put("b", 1)];
    // The puts of a and c, task 2, are worked on; the delete, task 3, is not.
    stub.hold_from(3);
    let delivery = deliver(&sink, &records).await.unwrap();
    assert_eq!(
        kinds(&delivery),
        [(1, SinkErrorKind::Timeout), (3, SinkErrorKind::NotSent)]
    );
    stub.release();
    delivered(&sink, &[records[1].clone(), records[3].clone()]).await;
    assert_eq!(
        stub.document_tasks(),
        4,
        "the first, two of the first call, one of the second"
    );
}

/// Somebody deleted the index, and a put made it anew, without its settings.
#[tokio::test]
async fn an_index_that_was_made_anew_gets_its_settings_within_a_minute() {
    let stub = MeilisearchStub::start().await;
    let settings = json!({ "searchableAttributes": ["name"] });
    let sink = server::sink(config_of(&stub).with_settings(settings.as_object().unwrap().clone()));
    delivered(&sink, &[put("a", 1)]).await;
    stub.remove_indexes();
    delivered(&sink, &[put("b", 1)]).await;
    assert!(stub.index("orders").unwrap().settings.is_empty());
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(61)).await;
    tokio::time::resume();
    delivered(&sink, &[put("c", 1)]).await;
    let index = stub.index("orders").unwrap();
    assert_eq!(index.settings, *settings.as_object().unwrap());
    assert_eq!(index.documents.keys().collect::<Vec<_>>(), ["b", "c"]);
}
