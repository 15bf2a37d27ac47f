//! Connections that fail, and the right to send.

use conduit_core::{RecordBatch, Sink, SinkErrorKind};
use conduit_sinks::eventbridge::{EventBridgeConfig, EventBridgeSink};
use conduit_testkit::receiver::Answer;

use crate::stub::{Puts, Stub};
use crate::{client, config, deliver, failure, record, records, sink, sink_of};

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_and_found_again() {
    let stub = Stub::start().await;
    let url = stub.url();
    drop(stub);
    let sink = sink_of(config(&url));
    let error = failure(&sink, 1).await;
    assert_eq!(error.kind(), SinkErrorKind::Unavailable);
    assert_eq!(
        error.report(),
        format!(
            "cannot connect to EventBridge at {url}/orders: tcp connect error: Connection refused (os error 111)"
        )
    );
}

#[tokio::test]
async fn a_call_that_the_server_has_read_is_never_sent_again() {
    let stub = Stub::start().await;
    let sink = sink(&stub);
    // On a new connection and on one that is used again.
    for _ in 0..2 {
        deliver(&sink, records(0..1)).await.unwrap();
        let calls = stub.calls("PutEvents");
        stub.put(Puts::Lie(Answer::CloseBeforeAnswer));
        let error = failure(&sink, 1).await;
        assert_eq!(error.kind(), SinkErrorKind::Unavailable);
        let report = error.report();
        assert!(report.starts_with("no answer from EventBridge at "), "{report}");
        assert_eq!(stub.calls("PutEvents"), calls + 1, "it was sent again");
        stub.put(Puts::Accept);
    }
}

#[tokio::test]
async fn nothing_leaves_once_the_right_to_send_has_ended() {
    let stub = Stub::start().await;
    let sink = sink(&stub);
    // Without a connection first, then with one.
    for number in 0..2 {
        let batch = RecordBatch::new(vec![record(number)]).with_permission(|| false);
        let error = sink.deliver(&batch).await.unwrap_err();
        assert_eq!(error.kind(), SinkErrorKind::NotSent);
        assert_eq!(
            error.report(),
            format!("nothing was sent to EventBridge at {}/orders", stub.url())
        );
        assert_eq!(stub.calls("PutEvents"), usize::try_from(number).unwrap());
        deliver(&sink, records(number..number + 1)).await.unwrap();
    }
}

#[tokio::test]
async fn the_right_to_send_is_asked_for_each_call_of_a_delivery() {
    let stub = Stub::start().await;
    let sink = sink(&stub);
    deliver(&sink, records(0..1)).await.unwrap();
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let batch = RecordBatch::new(records(10..25))
        .with_permission(move || asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0);
    let delivery = sink.deliver(&batch).await.unwrap();
    let expected: Vec<_> = (10..15).map(|index| (index, SinkErrorKind::NotSent)).collect();
    assert_eq!(crate::failed(&delivery), expected);
    assert_eq!(stub.accepted().len(), 11);
}

#[tokio::test]
async fn deliveries_one_after_the_other_use_one_connection() {
    let stub = Stub::start().await;
    let client = client();
    for bus in ["orders", "others"] {
        let config = EventBridgeConfig::new(bus)
            .with_region("eu-central-1")
            .with_endpoint(stub.url());
        let sink = EventBridgeSink::with_client(config, client.clone()).unwrap();
        for number in 0..5 {
            deliver(&sink, records(number..number + 1)).await.unwrap();
        }
    }
    let received = stub.receiver.received();
    assert_eq!(received.len(), 12);
    assert!(received.iter().all(|request| request.connection() == 0));
}

#[tokio::test]
async fn making_a_sink_asks_nobody() {
    let stub = Stub::start().await;
    let sink = sink(&stub);
    assert_eq!(
        sink.endpoint(),
        Some(format!("eventbridge {}/orders", stub.url()))
    );
    assert!(sink.limits().max_records > 0);
    drop(sink);
    assert!(stub.receiver.received().is_empty());
}
