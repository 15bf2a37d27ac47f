//! What each answer means.

use std::time::Duration;

use conduit_core::{Sink, SinkErrorKind};
use conduit_sinks::http::MAX_RETRY_AFTER;
use conduit_testkit::receiver::{Answer, Receiver};

use crate::{SOON, config, deliver, record, sink};

const UNSAID: SinkErrorKind = SinkErrorKind::Throttled { retry_after: None };

#[tokio::test]
async fn every_2xx_acknowledges() {
    let receiver = Receiver::start().await;
    let sink = sink(config(&receiver));
    let statuses = [200, 201, 202, 204, 226, 299];
    receiver.answer_in_turn(statuses.map(Answer::Status));
    for status in statuses {
        deliver(&sink, status.into()).await.unwrap();
    }
    assert_eq!(receiver.received().len(), statuses.len());
}

#[tokio::test]
async fn a_test_is_one_request_and_tells_the_status_of_its_answer() {
    let receiver = Receiver::start().await;
    let sink = sink(config(&receiver));
    let statuses = [204, 299, 302, 429, 500];
    receiver.answer_in_turn(statuses.map(Answer::Status));
    for status in statuses {
        let told = match sink.test(record(1)).await {
            Ok(tested) => tested.status.filter(|status| (200..300).contains(status)),
            Err(error) => error.status(),
        };
        assert_eq!(told, Some(status));
    }
    let received = receiver.received();
    assert_eq!(received.len(), statuses.len());
    assert_eq!(received[0].header("webhook-id"), Some("event-1"));
    receiver.answer_with(|_| Answer::CloseBeforeAnswer);
    assert_eq!(sink.test(record(1)).await.unwrap_err().status(), None);
}

#[tokio::test]
async fn the_status_decides_what_becomes_of_a_record() {
    use SinkErrorKind::{Rejected, Timeout, Unauthorized, Unavailable};
    let receiver = Receiver::start().await;
    let sink = sink(config(&receiver));
    let expected = [
        (304, Rejected),
        (400, Rejected),
        (401, Unauthorized),
        (402, Rejected),
        (403, Unauthorized),
        (404, Unauthorized),
        (405, Rejected),
        (407, Unauthorized),
        (408, Timeout),
        (409, Rejected),
        (410, Rejected),
        (413, Rejected),
        (418, Rejected),
        (422, Rejected),
        (429, UNSAID),
        (500, Unavailable),
        (501, Unavailable),
        (502, Unavailable),
        (503, Unavailable),
        (504, Unavailable),
        (599, Unavailable),
        (600, Rejected),
    ];
    receiver.answer_in_turn(expected.map(|(status, _)| Answer::Status(status)));
    for (status, kind) in expected {
        let error = deliver(&sink, status.into()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status}");
        assert!(
            error
                .to_string()
                .starts_with(&format!("HTTP {status} from {}/", receiver.url())),
            "{error}"
        );
    }
    assert_eq!(
        receiver.received().len(),
        expected.len(),
        "nothing is sent again inside the sink"
    );
}

#[tokio::test]
async fn throttling_waits_as_long_as_the_answer_asks_but_five_minutes_at_most() {
    // The date is 20.598 s after the clock of these tests.
    let date = "Fri, 23 Oct 2026 18:04:28 GMT";
    let throttled = |retry_after| SinkErrorKind::Throttled {
        retry_after: Some(retry_after),
    };
    let expected = [
        (429, "3", throttled(Duration::from_secs(3))),
        (503, "3", throttled(Duration::from_secs(3))),
        (429, date, throttled(Duration::from_millis(20_598))),
        (503, date, throttled(Duration::from_millis(20_598))),
        (503, "Fri, 23 Oct 2026 18:00:00 GMT", throttled(Duration::ZERO)),
        (429, "301", throttled(MAX_RETRY_AFTER)),
        (503, "Sun, 23 Oct 2044 18:04:28 GMT", throttled(MAX_RETRY_AFTER)),
        (429, "soon", UNSAID),
        (503, "soon", SinkErrorKind::Unavailable),
        (500, "3", SinkErrorKind::Unavailable),
        (400, "3", SinkErrorKind::Rejected),
    ];
    let receiver = Receiver::start().await;
    let sink = sink(config(&receiver));
    receiver.answer_in_turn(expected.map(|(code, value, _)| Answer::with_header(code, "retry-after", value)));
    for (status, value, kind) in expected {
        assert_eq!(
            deliver(&sink, 1).await.unwrap_err().kind(),
            kind,
            "{status} {value}"
        );
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let receiver = Receiver::start().await;
    let sink = sink(config(&receiver));
    for status in [301, 302, 303, 307, 308] {
        let target = format!("{}/elsewhere", receiver.url());
        receiver.answer_in_turn([Answer::with_header(status, "location", &target)]);
        let error = deliver(&sink, 1).await.unwrap_err();
        assert_eq!(error.kind(), SinkErrorKind::Rejected);
        let url = receiver.url();
        assert_eq!(
            error.report(),
            format!("HTTP {status} from {url}/: redirects are not followed")
        );
    }
    assert!(receiver.received().iter().all(|request| request.target() == "/"));
    assert_eq!(receiver.received().len(), 5);
}

#[tokio::test]
async fn a_message_quotes_the_beginning_of_the_body_in_one_line() {
    let receiver = Receiver::start().await;
    let sink = sink(config(&receiver));
    let long = format!("no\r\n\tsuch \u{1b}[2Jthing {}", "é".repeat(10_000));
    receiver.answer_in_turn([Answer::with_body(500, long), Answer::with_body(500, "")]);
    let error = deliver(&sink, 1).await.unwrap_err();
    let quote = format!("no such [2Jthing {}…", "é".repeat(183));
    assert_eq!(
        error.report(),
        format!("HTTP 500 from {}/: {quote}", receiver.url())
    );
    assert_eq!(
        deliver(&sink, 1).await.unwrap_err().report(),
        format!("HTTP 500 from {}/", receiver.url())
    );
}

#[tokio::test]
async fn no_answer_within_the_time_out_is_a_timeout() {
    let receiver = Receiver::start().await;
    receiver.answer_with(|_| Answer::Hang);
    let sink = sink(config(&receiver).with_timeout(Duration::from_millis(200)));
    assert_eq!(sink.limits().timeout, Duration::from_millis(200));
    let error = tokio::time::timeout(SOON, deliver(&sink, 1))
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Timeout);
    assert_eq!(
        error.report(),
        format!("no answer from {}/ within 200ms", receiver.url())
    );
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn an_answer_that_is_only_slow_is_waited_for() {
    let receiver = Receiver::start().await;
    receiver.answer_in_turn([Answer::after(Duration::from_millis(50), Answer::Status(200))]);
    deliver(&sink(config(&receiver)), 1).await.unwrap();
}

#[tokio::test]
async fn an_acknowledgement_stands_though_its_body_never_comes_or_is_endless() {
    let receiver = Receiver::start().await;
    let sink = sink(config(&receiver).with_timeout(Duration::from_millis(400)));
    receiver.answer_in_turn([Answer::HeadOnly(10), Answer::with_body(200, vec![b'x'; 10 << 20])]);
    for number in 0..3 {
        tokio::time::timeout(SOON, deliver(&sink, number))
            .await
            .unwrap()
            .unwrap();
    }
    let connections: Vec<u64> = receiver
        .received()
        .iter()
        .map(|request| request.connection())
        .collect();
    assert_eq!(connections, [0, 1, 2], "such connections are not used again");
}
