//! However lanes and the engine interleave, no record overtakes one of its document.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::{Delivery, RecordBatch, RecordType, Sink, SinkError, SinkLimits};
use conduit_testkit::{Answer, RecordingSink};

use crate::harness::{World, collection, subscription, value_of, values_of};

/// Takes ten milliseconds for each record, and refuses the value 1000 once.
#[derive(Debug, Clone, Default)]
struct SlowSink {
    seen: Arc<Mutex<Vec<(u64, bool)>>>,
    refused: Arc<AtomicBool>,
}

#[async_trait]
impl Sink for SlowSink {
    fn limits(&self) -> SinkLimits {
        SinkLimits::default()
    }

    async fn deliver(&self, batch: &RecordBatch) -> Result<Delivery, SinkError> {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let value = value_of(&batch.records()[0]);
        let accepted = value != 1000 || self.refused.swap(true, Ordering::SeqCst);
        if value >= 1000 {
            self.seen.lock().unwrap().push((value, accepted));
        }
        if accepted {
            Ok(Delivery::complete())
        } else {
            Err(SinkError::rejected("no"))
        }
    }
}

/// The record that fails belongs to one read and the one behind it to the next: their outcomes came through two channels,
/// the second of which could be heard first, and the later record overtook the one that waits.
#[tokio::test(start_paused = true)]
async fn a_record_of_the_next_read_does_not_overtake_one_that_fails() {
    let world = World::new();
    let sink = SlowSink::default();
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    running.until("d", |status| status.lag_seconds.is_some()).await;
    for value in 0..30 {
        world
            .watcher
            .change("c", &format!("x{value}"), RecordType::Modify, value);
    }
    world.watcher.change("c", "hot", RecordType::Modify, 1000);
    tokio::time::sleep(Duration::from_millis(2)).await;
    world.watcher.change("c", "hot", RecordType::Modify, 1001);
    running.until("d", |status| status.delivered == 32).await;
    running.stop().await;
    assert_eq!(
        *sink.seen.lock().unwrap(),
        [(1000, false), (1000, true), (1001, true)]
    );
}

/// On two threads, so that lanes and engine interleave as they do in a server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_deliveries_stay_in_order_while_a_tenth_of_them_fails() {
    let (keys, total) = (500, 3_000);
    let world = World::new();
    let sink = RecordingSink::scripted(|record, before| {
        let fails = before == 0 && (value_of(record).wrapping_mul(2_654_435_761) >> 7).is_multiple_of(10);
        if fails {
            Answer::Fail(SinkError::rejected("no"))
        } else {
            Answer::Accept
        }
    });
    for value in 0..total {
        let key = format!("k{}", value * 48_271 % keys);
        world.watcher.change("c", &key, RecordType::Modify, value);
    }
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    sink.wait_accepted(usize::try_from(total).unwrap()).await;
    running.stop().await;
    for key in 0..keys {
        let values = values_of(&sink, &format!("k{key}"));
        let distinct: HashSet<&u64> = values.iter().collect();
        assert!(
            values.is_sorted() && distinct.len() == values.len(),
            "k{key}: {values:?}"
        );
    }
}
