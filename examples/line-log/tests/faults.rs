//! What the engine makes of the sink's answers.

mod log;

use std::sync::Arc;
use std::time::Duration;

use conduit_core::{
    ClusterTime, CollectionSpec, Conduit, RecordBatch, RecordType, Sink, SinkErrorKind, SubscriptionSpec,
};
use conduit_state::MemoryStore;
use conduit_testkit::store_suite::{collection, destination, record};
use conduit_testkit::{Fault, FaultySink, ScriptedWatcher};
use log::Log;

#[tokio::test]
async fn a_record_whose_answer_was_lost_comes_again_before_the_next_of_its_document() {
    let (log, sink) = Log::start().await;
    let sink = FaultySink::new(sink, |_, call| match call {
        0 => Fault::LoseAnswer,
        _ => Fault::Pass,
    });
    let watcher = ScriptedWatcher::new();
    // From the watcher's first change on.
    let subscription = SubscriptionSpec::new(destination("log"), sink).with_start(ClusterTime::new(1, 0));
    let orders = CollectionSpec::named("orders")
        .unwrap()
        .with_subscription(subscription);
    let conduit = Conduit::builder(Arc::new(watcher.clone()), Arc::new(MemoryStore::new()))
        .collection(orders)
        .build()
        .unwrap();
    let mut lines = log.lines.subscribe();
    let shutdown = async {
        let first = watcher.change("orders", "order-1", RecordType::Insert, 1);
        lines.wait_for(|lines| lines.len() == 1).await.unwrap();
        let second = watcher.change("orders", "order-1", RecordType::Modify, 2);
        let arrived = lines.wait_for(|lines| lines.len() == 3).await.unwrap();
        for (line, expected) in arrived.iter().zip([&first, &first, &second]) {
            assert!(line.contains(expected.as_str()), "{line}");
        }
    };
    let run = tokio::time::timeout(Duration::from_secs(30), conduit.run_until(shutdown));
    run.await.expect("all records come").unwrap();
}

#[tokio::test]
async fn nothing_is_sent_once_the_lease_has_ended() {
    let (log, sink) = Log::start().await;
    let record = record(&collection("orders"), 1, "order-1");
    let batch = RecordBatch::new(vec![record]).with_permission(|| false);
    let error = sink.deliver(&batch).await.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::NotSent);
    assert!(log.lines.borrow().is_empty());
}
