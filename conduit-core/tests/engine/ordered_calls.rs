//! Calls that may hold records of one key, which the destination applies in their order.

use std::time::Duration;

use conduit_core::{Record, RecordType, SameKey, SinkError, SinkLimits};
use conduit_testkit::{Answer, RecordingSink};

use crate::harness::{World, collection, subscription, value_of, values_of};

/// A sink that takes ten records a call, and one call at a time.
fn ordered(script: impl Fn(&Record, usize) -> Answer + Send + Sync + 'static) -> RecordingSink {
    let limits = SinkLimits {
        max_records: 10,
        concurrency: 1,
        same_key: SameKey::InOrder,
        ..SinkLimits::default()
    };
    RecordingSink::with_limits(limits, script)
}

/// A failed record may be repeated with what followed it, as long as the end is right.
fn assert_ends_in_order(sink: &RecordingSink) {
    let values = values_of(sink, "k");
    assert_eq!(
        values[values.len() - 5..],
        [1, 2, 3, 4, 5],
        "the end of {values:?} is in order"
    );
}

#[tokio::test(start_paused = true)]
async fn in_a_batch_what_follows_a_failed_record_of_its_key_comes_again_after_it() {
    let world = World::new();
    let sink = ordered(|record, before| {
        let fails = record.event_id().as_str() == "event-2" && before == 0;
        if fails {
            Answer::Fail(SinkError::rejected("not yet"))
        } else {
            Answer::Accept
        }
    });
    for value in 0..6 {
        world.watcher.change("c", "k", RecordType::Modify, value);
    }
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    running
        .until("d", |status| status.delivered == 6 && status.retry_length == 0)
        .await;
    assert_ends_in_order(&sink);
    running.stop().await;
}

/// What follows a throttled record of its key in the same call was counted as delivered, and the throttled one came after it.
#[tokio::test(start_paused = true)]
async fn in_a_batch_nothing_of_a_key_counts_behind_a_throttled_record() {
    let world = World::new();
    let sink = ordered(|record, before| {
        let is_throttled = before == 0 && value_of(record) % 2 == 1;
        if is_throttled {
            Answer::Fail(SinkError::throttled("slow", None))
        } else {
            Answer::Accept
        }
    });
    for value in 0..6 {
        world.watcher.change("c", "k", RecordType::Modify, value);
    }
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    running.until("d", |status| status.delivered == 6).await;
    running.stop().await;
    assert_ends_in_order(&sink);
}

/// The older record of a call is refused and waits for its retry, the younger one of the same key is throttled: it was sent
/// again as soon as the destination allowed, before the one that waits. Found by the simulator (seeds 134 and 296).
#[tokio::test(start_paused = true)]
async fn a_throttled_record_waits_behind_one_that_failed_in_the_same_call() {
    for after in [None, Some(Duration::from_millis(10))] {
        let world = World::new();
        let sink = ordered(move |record, before| match (value_of(record), before) {
            (1, 0) => Answer::Fail(SinkError::rejected("HTTP 422")),
            (2, 0) => Answer::Fail(SinkError::throttled("HTTP 429", after)),
            _ => Answer::Accept,
        });
        for value in 1..=2 {
            world.watcher.change("c", "k", RecordType::Modify, value);
        }
        let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
        running
            .until("d", |status| {
                status.lag_seconds == Some(0.0) && status.delivered >= 2
            })
            .await;
        running.stop().await;
        assert_eq!(values_of(&sink, "k"), [1, 2], "{after:?}");
    }
}
