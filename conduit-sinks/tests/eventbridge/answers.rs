//! What an answer means for the records.

use std::time::Duration;

use conduit_core::Sink;
use conduit_core::SinkErrorKind::{Rejected, Throttled, Timeout, Unauthorized, Unavailable, Undeliverable};
use conduit_testkit::receiver::Answer;
use serde_json::{Value, json};

use crate::stub::{Puts, Stub, refusal, well};
use crate::{SHORT, TOKEN, config, deliver, failed, failure, records, sink, sink_of};

#[tokio::test]
async fn entries_that_fail_fail_alone_each_with_its_own_kind() {
    let stub = Stub::start().await;
    let sink = sink(&stub);
    stub.put(Puts::RefuseEntries(|entry: &Value| {
        let detail = entry["Detail"].as_str().unwrap();
        let codes = [
            ("event-1\"", "ThrottlingException"),
            ("event-3\"", "InternalFailure"),
            ("event-4\"", "NotAuthorizedForSourceException"),
            ("event-6\"", "MalformedDetail"),
            ("event-8\"", "InvalidArgument"),
        ];
        codes
            .iter()
            .find(|(id, _)| detail.contains(id))
            .map(|(_, code)| *code)
    }));
    let delivery = deliver(&sink, records(0..10)).await.unwrap();
    let expected = [
        (1, Throttled { retry_after: None }),
        (3, Unavailable),
        (4, Unauthorized),
        (6, Undeliverable),
        (8, Rejected),
    ];
    assert_eq!(failed(&delivery), expected);
    assert_eq!(
        delivery.failed[0].1.report(),
        format!(
            "ThrottlingException for the entry from EventBridge at {}/orders: not this one",
            stub.url()
        )
    );
    assert_eq!(
        stub.accepted_ids(),
        ["event-0", "event-2", "event-5", "event-7", "event-9"]
    );
    assert_eq!(stub.calls("PutEvents"), 1, "the SDK or the sink retried");
}

#[tokio::test]
async fn a_test_is_one_event_and_tells_the_status_of_its_answer() {
    let stub = Stub::start().await;
    let sink = sink(&stub);
    let record = || records(0..1).remove(0);
    assert_eq!(sink.test(record()).await.unwrap().status, Some(200));
    assert_eq!(stub.accepted_ids(), ["event-0"]);
    stub.put(Puts::RefuseEntries(|_| Some("InternalFailure")));
    assert_eq!(sink.test(record()).await.unwrap_err().status(), Some(200));
    stub.put(Puts::Whole(refusal(403, "InvalidSignatureException", "no")));
    assert_eq!(sink.test(record()).await.unwrap_err().status(), Some(403));
    assert_eq!(stub.calls("PutEvents"), 3);
}

#[tokio::test]
async fn a_call_that_is_refused_whole_is_of_the_kind_of_its_code() {
    let stub = Stub::start().await;
    let sink = sink(&stub);
    let mut calls = 0;
    for (status, code, kind) in [
        (400, "ThrottlingException", Throttled { retry_after: None }),
        (400, "AccessDeniedException", Unauthorized),
        (400, "UnrecognizedClientException", Unauthorized),
        (403, "InvalidSignatureException", Unauthorized),
        (400, "ExpiredTokenException", Unauthorized),
        (400, "ResourceNotFoundException", Unauthorized),
        (400, "ValidationException", Rejected),
        (400, "SomethingNew", Rejected),
        (400, "InternalException", Unavailable),
        (500, "InternalFailure", Unavailable),
        (503, "ServiceUnavailableException", Unavailable),
    ] {
        stub.put(Puts::Whole(refusal(status, code, "so it is\nAKIA and more")));
        let error = failure(&sink, 1).await;
        assert_eq!(error.kind(), kind, "{code}");
        assert_eq!(
            error.report(),
            format!("{code} from EventBridge at {}/orders: so it is", stub.url())
        );
        calls += 1;
        assert_eq!(stub.calls("PutEvents"), calls, "{code} was retried");
    }
}

#[tokio::test]
async fn an_answer_without_a_code_is_of_the_kind_of_its_status() {
    let stub = Stub::start().await;
    let sink = sink(&stub);
    for (status, kind) in [
        (302, Unauthorized),
        (400, Rejected),
        (401, Unauthorized),
        (403, Unauthorized),
        (404, Unauthorized),
        (407, Unauthorized),
        (408, Timeout),
        (413, Rejected),
        (429, Throttled { retry_after: None }),
        (500, Unavailable),
        (502, Unavailable),
        (503, Unavailable),
    ] {
        stub.put(Puts::Whole(Answer::with_body(status, "<html>a proxy</html>")));
        let error = failure(&sink, 1).await;
        assert_eq!(error.kind(), kind, "{status}");
        assert_eq!(
            error.report(),
            format!("HTTP {status} from EventBridge at {}/orders", stub.url())
        );
    }
    assert_eq!(stub.calls("PutEvents"), 12);
}

#[tokio::test]
async fn a_wait_that_is_asked_for_is_passed_on() {
    let stub = Stub::start().await;
    let sink = sink(&stub);
    for (asked, wait) in [("7", Some(7)), ("100000", Some(300)), ("soon", None)] {
        stub.put(Puts::Whole(Answer::with_header(429, "Retry-After", asked)));
        let retry_after = wait.map(Duration::from_secs);
        assert_eq!(failure(&sink, 1).await.kind(), Throttled { retry_after });
    }
}

#[tokio::test]
async fn an_answer_that_does_not_fit_the_call_is_not_believed() {
    let stub = Stub::start().await;
    let sink = sink(&stub);
    let id = json!({"EventId": "id"});
    let refused = json!({"ErrorCode": "InternalFailure"});
    for body in [
        json!({}),
        json!({"FailedEntryCount": 0}),
        json!({"FailedEntryCount": 0, "Entries": []}),
        json!({"FailedEntryCount": 0, "Entries": [id]}),
        json!({"FailedEntryCount": 0, "Entries": [id, id, id]}),
        json!({"FailedEntryCount": 1, "Entries": [id, id]}),
        json!({"FailedEntryCount": 0, "Entries": [id, refused]}),
        json!({"FailedEntryCount": 0, "Entries": [id, {}]}),
        json!([1]),
        json!("accepted"),
    ] {
        stub.put(Puts::Lie(well(&body)));
        let error = deliver(&sink, records(0..2)).await.unwrap_err();
        assert_eq!(error.kind(), Unavailable, "{body}");
    }
    stub.put(Puts::Lie(Answer::with_body(200, "<html>signed in</html>")));
    let error = deliver(&sink, records(0..2)).await.unwrap_err();
    assert_eq!(error.kind(), Unavailable);
    assert!(
        error.report().contains("the answer cannot be understood"),
        "{error:?}"
    );
}

#[tokio::test]
async fn no_answer_in_time_is_a_timeout() {
    let stub = Stub::start().await;
    let sink = sink_of(config(&stub.url()).with_timeout(SHORT));
    for answer in [Answer::Hang, Answer::HeadOnly(100)] {
        stub.put(Puts::Whole(answer));
        let error = failure(&sink, 1).await;
        assert_eq!(error.kind(), Timeout);
        let url = stub.url();
        assert_eq!(
            error.report(),
            format!("no answer from EventBridge at {url}/orders within 600ms")
        );
    }
    stub.put(Puts::Accept);
    assert!(deliver(&sink, records(1..2)).await.unwrap().failed.is_empty());
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_the_end() {
    let stub = Stub::start().await;
    let sink = sink(&stub);
    stub.put(Puts::Lie(Answer::with_body(200, vec![b' '; 1024 * 1024 + 1])));
    let error = failure(&sink, 1).await;
    assert_eq!(error.kind(), Unavailable);
    assert_eq!(
        error.report(),
        format!(
            "the answer of EventBridge at {}/orders broke off: length limit exceeded",
            stub.url()
        )
    );
}

#[tokio::test]
async fn the_session_token_is_in_no_message() {
    let stub = Stub::start().await;
    let sink = sink(&stub);
    stub.put(Puts::Whole(refusal(
        403,
        "SignatureDoesNotMatch",
        &format!("you sent {TOKEN}"),
    )));
    let error = failure(&sink, 1).await;
    assert!(
        error.report().ends_with(": you sent ********"),
        "{}",
        error.report()
    );
    assert!(!format!("{error:?} {sink:?}").contains(TOKEN));
}
