//! What scripted faults do to a call.

use std::sync::Arc;

use conduit_core::{Record, RecordBatch, Sink, SinkError, SinkErrorKind};
use conduit_testkit::store_suite::{collection, record};
use conduit_testkit::{Answer, Fault, FaultySink, Hold, RecordingSink};

fn batch(numbers: std::ops::RangeInclusive<u32>) -> RecordBatch {
    let record = |n| record(&collection("orders"), n, &format!("document-{n}"));
    RecordBatch::new(numbers.map(record).collect::<Vec<Arc<Record>>>())
}

#[tokio::test]
async fn a_rejected_record_keeps_its_index_beside_those_that_the_sink_itself_refuses() {
    let destination = RecordingSink::scripted(|record, _| match record.event_id().as_str() {
        "event-4" => Answer::Fail(SinkError::rejected("refused by the sink")),
        _ => Answer::Accept,
    });
    let sink = FaultySink::new(destination.clone(), |_, _| {
        Fault::Reject(vec![(1, SinkError::undeliverable("refused by the script"))])
    });
    let delivery = sink.deliver(&batch(1..=5)).await.unwrap();
    let failed: Vec<_> = delivery
        .failed
        .iter()
        .map(|(index, error)| (*index, error.kind()))
        .collect();
    assert_eq!(
        failed,
        [(1, SinkErrorKind::Undeliverable), (3, SinkErrorKind::Rejected)]
    );
    assert_eq!(destination.accepted(), ["event-1", "event-3", "event-5"]);
}

/// Makes a call that `hold` holds up, and releases it.
async fn goes_on_when_released(sink: &dyn Sink, hold: &Hold, destination: &RecordingSink) {
    let one = batch(1..=1);
    let release = async {
        hold.wait_held(1).await;
        let accepted = destination.accepted();
        hold.release();
        accepted
    };
    let (answer, accepted_while_held) = tokio::join!(sink.deliver(&one), release);
    assert!(answer.is_ok() && accepted_while_held.is_empty());
    assert_eq!(destination.accepted(), ["event-1"]);
}

#[tokio::test]
async fn a_held_call_reaches_the_sink_when_it_is_released() {
    let (hold, destination) = (Hold::new(), RecordingSink::new());
    let held = hold.clone();
    let sink = FaultySink::new(destination.clone(), move |_, _| Fault::Hold(held.clone()));
    goes_on_when_released(&sink, &hold, &destination).await;
}

#[tokio::test]
async fn a_held_record_is_taken_when_it_is_released() {
    let hold = Hold::new();
    let held = hold.clone();
    let destination = RecordingSink::scripted(move |_, _| Answer::Hold(held.clone()));
    goes_on_when_released(&destination, &hold, &destination).await;
}

#[tokio::test]
async fn a_call_that_fails_or_is_dropped_while_it_hangs_never_reaches_the_sink() {
    let destination = RecordingSink::new();
    let sink = FaultySink::new(destination.clone(), |_, call| match call {
        0 => Fault::Fail(SinkError::throttled("slower", None)),
        _ => Fault::Hang,
    });
    let throttled = sink.deliver(&batch(1..=1)).await.unwrap_err();
    assert_eq!(throttled.kind(), SinkErrorKind::Throttled { retry_after: None });
    let one = batch(1..=1);
    let mut hanging = Box::pin(sink.deliver(&one));
    assert!(futures_util::poll!(&mut hanging).is_pending());
    drop(hanging);
    assert_eq!((sink.calls(), destination.arrived().len()), (2, 0));
}
