//! What a request looks like.

use conduit_core::{RecordBatch, Sink};
use conduit_sinks::http::HttpConfig;
use conduit_testkit::receiver::Receiver;

use crate::{config, deliver, record, sink};

#[tokio::test]
async fn a_record_is_posted_with_exactly_these_headers_and_its_json_as_body() {
    let receiver = Receiver::start().await;
    let sink = sink(config(&receiver).with_bearer_token("s3cret"));
    deliver(&sink, 7).await.unwrap();
    let request = &receiver.received()[0];
    assert_eq!((request.method(), &*request.target()), ("POST", "/"));
    let mut names = request.header_names();
    names.sort_unstable();
    let expected = [
        "authorization",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "webhook-id",
        "webhook-timestamp",
    ];
    assert_eq!(names, expected);
    assert_eq!(request.header("authorization"), Some("Bearer s3cret"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("host"), Some(&*receiver.address().to_string()));
    assert_eq!(
        request.header("user-agent"),
        Some(concat!("conduit/", env!("CARGO_PKG_VERSION")))
    );
    assert_eq!(request.header("webhook-id"), Some("event-7"));
    assert_eq!(request.header("webhook-timestamp"), Some("1792778647"));
    assert_eq!(request.body(), record(7).json());
    assert_eq!(request.json()["newImage"]["name"], "Zoë");
}

#[tokio::test]
async fn without_a_token_there_is_no_authorization() {
    let receiver = Receiver::start().await;
    deliver(&sink(config(&receiver)), 1).await.unwrap();
    assert_eq!(receiver.received()[0].header("authorization"), None);
}

#[tokio::test]
async fn path_and_query_of_the_endpoint_are_sent_as_they_are() {
    let receiver = Receiver::start().await;
    let sink = sink(HttpConfig::new(format!(
        "{}/a%20b/c?x=1&y=%2F#part",
        receiver.url()
    )));
    deliver(&sink, 1).await.unwrap();
    assert_eq!(receiver.received()[0].target(), "/a%20b/c?x=1&y=%2F");
}

#[tokio::test]
async fn a_call_of_several_records_is_refused_whole() {
    let receiver = Receiver::start().await;
    let sink = sink(config(&receiver));
    assert_eq!(sink.limits().max_records, 1);
    let error = sink
        .deliver(&RecordBatch::new(vec![record(1), record(2)]))
        .await
        .unwrap_err();
    assert_eq!(error.report(), "a call holds 2 records, not one");
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn a_secret_is_neither_in_the_debug_form_nor_in_an_error() {
    let receiver = Receiver::start().await;
    receiver.answer_with(|request| {
        let echo = request.header("authorization").unwrap_or_default().to_owned();
        conduit_testkit::receiver::Answer::with_body(400, format!("you sent {echo}, twice: {echo}"))
    });
    let config =
        HttpConfig::new(format!("{}/in?key=hidden-key", receiver.url())).with_bearer_token("hidden-token");
    assert!(!format!("{config:?}").contains("hidden"));
    let sink = sink(config);
    assert!(!format!("{sink:?} {sink:#?}").contains("hidden"));
    let error = deliver(&sink, 1).await.unwrap_err();
    let url = receiver.url();
    assert_eq!(
        error.report(),
        format!("HTTP 400 from {url}/in: you sent Bearer ********, twice: Bearer ********")
    );
    assert!(!format!("{error:?}").contains("hidden"));
    drop(receiver);
    let error = deliver(&sink, 1).await.unwrap_err();
    assert!(!format!("{error:?} {}", error.report()).contains("hidden"));
}

#[tokio::test]
async fn configured_headers_are_sent_and_their_values_never_quoted() {
    let receiver = Receiver::start().await;
    receiver.answer_with(|request| {
        let echo =
            ["x-api-key", "authorization", "x-short"].map(|name| request.header(name).unwrap_or_default());
        let credentials = echo[1].trim_start_matches("Basic ");
        conduit_testkit::receiver::Answer::with_body(400, format!("{} {credentials} {}", echo[0], echo[2]))
    });
    let config = config(&receiver)
        .with_header("X-Api-Key", "hidden key")
        .with_header("Authorization", "Basic aGlkZGVu")
        .with_header("x-short", "1");
    assert!(!format!("{config:?}").contains("aGlkZGVu"));
    let sink = sink(config);
    assert!(!format!("{sink:?}").contains("aGlkZGVu"));
    let error = deliver(&sink, 1).await.unwrap_err();
    let url = receiver.url();
    assert_eq!(
        error.report(),
        format!("HTTP 400 from {url}/: ******** ******** ********")
    );
    let request = &receiver.received()[0];
    assert_eq!(request.header("x-api-key"), Some("hidden key"));
    assert_eq!(request.header("authorization"), Some("Basic aGlkZGVu"));
    assert_eq!(request.header("content-type"), Some("application/json"));
}
