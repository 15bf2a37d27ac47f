//! A destination that fails as a whole is held.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use conduit_core::{Record, RecordType, SinkError, SinkErrorKind, SubscriptionPhase};
use conduit_testkit::{Answer, RecordingSink};

use crate::harness::{World, collection, subscription, values_of};

/// A destination that is down while the flag is up, and counts what it is asked.
#[derive(Clone, Default)]
struct Outage {
    is_down: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

impl Outage {
    fn begins(&self) {
        self.is_down.store(true, Ordering::SeqCst);
    }

    fn ends(&self) {
        self.is_down.store(false, Ordering::SeqCst);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn sink(&self, kind: SinkErrorKind) -> RecordingSink {
        self.sink_with(kind, |_| false)
    }

    /// Some records are refused whether the destination is up or not, the way that a failing destination does.
    fn sink_with(
        &self,
        kind: SinkErrorKind,
        is_poison: impl Fn(&Record) -> bool + Send + Sync + 'static,
    ) -> RecordingSink {
        let outage = self.clone();
        RecordingSink::scripted(move |record, _| {
            outage.asked.fetch_add(1, Ordering::SeqCst);
            if outage.is_down.load(Ordering::SeqCst) || is_poison(record) {
                Answer::Fail(SinkError::new(kind, "HTTP 503"))
            } else {
                Answer::Accept
            }
        })
    }
}

fn change(world: &World, keys: std::ops::Range<u64>, values: std::ops::Range<u64>) {
    for value in values {
        for key in keys.clone() {
            world
                .watcher
                .change("c", &format!("k{key}"), RecordType::Modify, value);
        }
    }
}

fn assert_complete(sink: &RecordingSink, keys: std::ops::Range<u64>, values: std::ops::Range<u64>) {
    for key in keys {
        let wanted: Vec<u64> = values.clone().collect();
        assert_eq!(values_of(sink, &format!("k{key}")), wanted, "k{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_counts_no_attempts_gives_nothing_up_and_everything_follows_once_and_in_order() {
    let (world, outage) = (World::new(), Outage::default());
    let sink = outage.sink(SinkErrorKind::Unavailable);
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    running.until("d", |status| status.lag_seconds.is_some()).await;
    outage.begins();
    change(&world, 0..200, 0..20);
    running
        .until("d", |status| status.phase == SubscriptionPhase::Holding)
        .await;
    let status = running.status("d").unwrap();
    assert!(status.reason.unwrap().contains("HTTP 503"));
    tokio::time::sleep(Duration::from_secs(15)).await;
    let (asked, waiting) = (outage.asked(), running.status("d").unwrap().retry_length);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(
        outage.asked() - asked <= 70,
        "{} probes in an hour",
        outage.asked() - asked
    );
    let status = running.status("d").unwrap();
    assert_eq!((status.phase, status.dlq_length), (SubscriptionPhase::Holding, 0));
    assert!(
        status.retry_length <= waiting + 70 && waiting <= 120,
        "{waiting} then {}",
        status.retry_length
    );
    outage.ends();
    sink.wait_accepted(4000).await;
    running
        .until("d", |status| {
            status.phase == SubscriptionPhase::Streaming && status.lag_seconds == Some(0.0)
        })
        .await;
    running.stop().await;
    assert_complete(&sink, 0..200, 0..20);
}

#[tokio::test(start_paused = true)]
async fn records_that_are_bad_all_along_are_the_only_dead_letters_of_an_outage() {
    for kind in [SinkErrorKind::Unavailable, SinkErrorKind::Rejected] {
        let (world, outage) = (World::new(), Outage::default());
        let down = outage.is_down.clone();
        let asked = outage.asked.clone();
        let sink = RecordingSink::scripted(move |record, _| {
            asked.fetch_add(1, Ordering::SeqCst);
            let keys = std::str::from_utf8(record.keys()).unwrap();
            if down.load(Ordering::SeqCst) {
                Answer::Fail(SinkError::unavailable("HTTP 503"))
            } else if keys.contains("bad") {
                Answer::Fail(SinkError::new(kind, "HTTP 500"))
            } else {
                Answer::Accept
            }
        });
        let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
        outage.begins();
        for number in 0..7 {
            world
                .watcher
                .change("c", &format!("bad{number}"), RecordType::Insert, number);
            change(&world, 0..100, number..number + 1);
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        outage.ends();
        sink.wait_accepted(700).await;
        running.until("d", |status| status.dlq_length == 7).await;
        tokio::time::sleep(Duration::from_secs(600)).await;
        let status = running.status("d").unwrap();
        assert_eq!((status.dlq_length, status.retry_length), (7, 0), "{kind:?}");
        running.stop().await;
        assert_complete(&sink, 0..100, 0..7);
    }
}

#[tokio::test(start_paused = true)]
async fn a_brown_out_gives_nothing_up_either() {
    let world = World::new();
    let random = std::sync::Mutex::new(fastrand::Rng::with_seed(5));
    let fails = Arc::new(AtomicBool::new(true));
    let sink = RecordingSink::scripted({
        let fails = fails.clone();
        move |_, _| {
            if fails.load(Ordering::SeqCst) && random.lock().unwrap().u32(0..100) < 95 {
                Answer::Fail(SinkError::unavailable("HTTP 500"))
            } else {
                Answer::Accept
            }
        }
    });
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    change(&world, 0..300, 0..10);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(running.status("d").unwrap().dlq_length, 0);
    fails.store(false, Ordering::SeqCst);
    sink.wait_accepted(3000).await;
    running.stop().await;
    assert_complete(&sink, 0..300, 0..10);
}

#[tokio::test(start_paused = true)]
async fn a_handful_of_records_to_a_dead_destination_take_their_retries() {
    let (world, outage) = (World::new(), Outage::default());
    let sink = outage.sink(SinkErrorKind::Unavailable);
    outage.begins();
    let running = world.start(vec![collection("c", vec![subscription("d", sink, 5)])]);
    change(&world, 0..5, 0..1);
    running.until("d", |status| status.dlq_length == 5).await;
    assert_eq!(outage.asked(), 30);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn workers_that_are_killed_again_and_again_during_an_outage_give_nothing_up() {
    let (world, outage) = (World::new(), Outage::default());
    let sink = outage.sink(SinkErrorKind::Unavailable);
    let spec = || vec![collection("c", vec![subscription("d", sink.clone(), 5)])];
    outage.begins();
    change(&world, 0..100, 0..5);
    for _ in 0..20 {
        let running = world.start(spec());
        running
            .until("d", |status| status.phase == SubscriptionPhase::Holding)
            .await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        running.kill().await;
    }
    outage.ends();
    let running = world.start(spec());
    sink.wait_accepted(500).await;
    running.until("d", |status| status.lag_seconds == Some(0.0)).await;
    assert_eq!(running.status("d").unwrap().dlq_length, 0);
    running.stop().await;
    assert_complete(&sink, 0..100, 0..5);
}

#[tokio::test(start_paused = true)]
async fn credentials_that_are_refused_hold_and_say_so() {
    let (world, outage) = (World::new(), Outage::default());
    let sink = outage.sink(SinkErrorKind::Unauthorized);
    outage.begins();
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    change(&world, 0..50, 0..1);
    running
        .until("d", |status| status.phase == SubscriptionPhase::Holding)
        .await;
    assert!(
        running
            .status("d")
            .unwrap()
            .reason
            .unwrap()
            .contains("credentials")
    );
    outage.ends();
    sink.wait_accepted(50).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_hold_with_nothing_but_bad_records_waiting_ends_when_the_stream_gets_through() {
    let (world, outage) = (World::new(), Outage::default());
    let sink = outage.sink_with(SinkErrorKind::Unavailable, |record| {
        std::str::from_utf8(record.keys()).unwrap().contains("bad")
    });
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 5)])]);
    for number in 0..25 {
        world
            .watcher
            .change("c", &format!("bad{number}"), RecordType::Insert, number);
    }
    running
        .until("d", |status| status.phase == SubscriptionPhase::Holding)
        .await;
    change(&world, 0..100, 0..3);
    sink.wait_accepted(300).await;
    running.stop().await;
    assert_complete(&sink, 0..100, 0..3);
}

/// The quiet one is held by its first failure, since it knows what the busy one learnt.
#[tokio::test(start_paused = true)]
async fn subscriptions_that_send_to_one_server_are_held_together() {
    #[derive(Debug)]
    struct Named(RecordingSink);

    #[async_trait::async_trait]
    impl conduit_core::Sink for Named {
        fn limits(&self) -> conduit_core::SinkLimits {
            self.0.limits()
        }

        fn endpoint(&self) -> Option<String> {
            Some("http://receiver".to_owned())
        }

        async fn deliver(
            &self,
            batch: &conduit_core::RecordBatch,
        ) -> Result<conduit_core::Delivery, SinkError> {
            self.0.deliver(batch).await
        }
    }

    let (world, outage) = (World::new(), Outage::default());
    let (busy, quiet) = (
        outage.sink(SinkErrorKind::Unavailable),
        outage.sink(SinkErrorKind::Unavailable),
    );
    let running = world.start(vec![
        collection("c", vec![subscription("busy", Named(busy.clone()), 5)]),
        collection("q", vec![subscription("quiet", Named(quiet.clone()), 5)]),
    ]);
    outage.begins();
    change(&world, 0..50, 0..1);
    running
        .until("busy", |status| status.phase == SubscriptionPhase::Holding)
        .await;
    world.watcher.change("q", "k", RecordType::Insert, 1);
    running
        .until("quiet", |status| status.phase == SubscriptionPhase::Holding)
        .await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(running.status("quiet").unwrap().dlq_length, 0);
    outage.ends();
    quiet.wait_accepted(1).await;
    busy.wait_accepted(50).await;
    running.stop().await;
}
