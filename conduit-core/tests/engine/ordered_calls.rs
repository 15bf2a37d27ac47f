//! Calls that may hold a key twice.

use conduit_core::{RecordType, SameKey, SinkError, SinkLimits};
use conduit_testkit::{Answer, RecordingSink};

use crate::harness::{World, collection, subscription, values_of};

/// The older record of a call is refused and waits for its retry, the younger one of the same key is throttled: it was sent
/// again as soon as the destination allowed, before the one that waits. Found by the simulator (seeds 134 and 296).
#[tokio::test(start_paused = true)]
async fn a_throttled_record_waits_behind_one_that_failed_in_the_same_call() {
    let world = World::new();
    let limits = SinkLimits {
        max_records: 10,
        concurrency: 1,
        same_key: SameKey::InOrder,
        ..SinkLimits::default()
    };
    let sink = RecordingSink::with_limits(limits, |record, before| {
        let is_older = record.record_type() == RecordType::Insert;
        match (is_older, before) {
            (true, 0) => Answer::Fail(SinkError::rejected("no")),
            (false, 0) => Answer::Fail(SinkError::throttled("slow", None)),
            _ => Answer::Accept,
        }
    });
    world.watcher.change("c", "k", RecordType::Insert, 0);
    world.watcher.change("c", "k", RecordType::Modify, 1);
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    running
        .until("d", |status| {
            status.lag_seconds == Some(0.0) && status.delivered >= 2
        })
        .await;
    running.stop().await;
    assert_eq!(values_of(&sink, "k"), [0, 1]);
}
