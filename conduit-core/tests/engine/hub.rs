//! Subscriptions share streams, and none of them notices the others.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::{
    BatchLimits, ClusterTime, CollectionName, CollectionSpec, Conduit, Position, RecordStream, RecordType,
    Settings, StreamBatch, StreamIdentity, SubscriptionPhase, WatchError, WatchTarget, Watcher,
};
use conduit_testkit::{Answer, Hold, RecordingSink, ScriptedWatcher};

use crate::harness::{Running, World, collection, repeated, subscription, values_of};

/// So little is read at a time and taken in hand that a destination that hangs is full at once.
fn tight() -> Settings {
    Settings {
        seed: Some(1),
        max_read_records: 8,
        max_in_flight_records: 8,
        ..Settings::default()
    }
}

/// One collection after the other, each with two destinations: `c7-0` and `c7-1`.
fn collections(count: usize, sinks: &[RecordingSink; 2]) -> Vec<CollectionSpec> {
    let spec = |number: usize| {
        let both = [0, 1].map(|of| subscription(&format!("c{number}-{of}"), sinks[of].clone(), 5));
        collection(&format!("c{number}"), both.into())
    };
    (0..count).map(spec).collect()
}

#[tokio::test(start_paused = true)]
async fn two_hundred_collections_share_one_stream() {
    let world = World::new();
    let sinks = [RecordingSink::new(), RecordingSink::new()];
    let running = world.start(collections(200, &sinks));
    for value in 0..3 {
        for number in 0..200 {
            world
                .watcher
                .change(&format!("c{number}"), "k", RecordType::Modify, value);
        }
    }
    for number in 0..200 {
        for of in [0, 1] {
            running
                .until(&format!("c{number}-{of}"), |status| {
                    status.delivered == 3 && status.lag_seconds == Some(0.0)
                })
                .await;
        }
    }
    assert_eq!(world.watcher.open_streams(), 1);
    assert!(world.watcher.most_open_streams() <= 2);
    running.stop().await;
    assert_eq!(world.watcher.open_streams(), 0);
    assert!(sinks.iter().all(|sink| sink.accepted().len() == 600));
}

#[tokio::test(start_paused = true)]
async fn the_two_image_modes_have_a_stream_each() {
    let world = World::new();
    let sinks = [RecordingSink::new(), RecordingSink::new()];
    let mut specs = collections(2, &sinks);
    let keyed = WatchTarget {
        key_fields: vec!["value".into()],
        ..WatchTarget::new(CollectionName::new("keyed").unwrap())
    };
    specs.push(CollectionSpec::new(keyed).with_subscription(subscription("k", sinks[0].clone(), 5)));
    let running = world.start(specs);
    for id in ["c0-0", "c1-1", "k"] {
        running.until_phase(id, SubscriptionPhase::Streaming).await;
    }
    assert_eq!(world.watcher.open_streams(), 2);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_is_left_behind_and_comes_after_in_order() {
    let world = World::new();
    let hold = Hold::new();
    let slow = RecordingSink::scripted({
        let hold = hold.clone();
        move |_, _| Answer::Hold(hold.clone())
    });
    let quick = [RecordingSink::new(), RecordingSink::new()];
    let running = world.start_with(
        tight(),
        vec![
            collection(
                "c",
                vec![
                    subscription("slow", slow.clone(), 5),
                    subscription("quick", quick[0].clone(), 5),
                ],
            ),
            collection("other", vec![subscription("other", quick[1].clone(), 5)]),
        ],
    );
    for value in 0..500 {
        world
            .watcher
            .change("c", &format!("k{}", value % 3), RecordType::Modify, value);
        world.watcher.change("other", "k", RecordType::Modify, value);
    }
    for id in ["quick", "other"] {
        running.until(id, |status| status.delivered == 500).await;
    }
    hold.release();
    running.until("slow", |status| status.delivered == 500).await;
    running
        .until("slow", |status| status.lag_seconds == Some(0.0))
        .await;
    assert!(world.watcher.most_open_streams() <= 2);
    running.stop().await;
    for key in 0..3 {
        let expected: Vec<u64> = (0..500).filter(|value| value % 3 == key).collect();
        assert_eq!(values_of(&slow, &format!("k{key}")), expected);
    }
}

/// A run that nobody else waits for goes at the pace of its one member: nothing is read twice.
#[tokio::test(start_paused = true)]
async fn one_that_is_alone_is_waited_for() {
    let world = World::new();
    let sink = RecordingSink::scripted(|_, _| Answer::Slow(Duration::from_millis(400)));
    let running = world.start_with(tight(), vec![collection("c", vec![subscription("d", sink, 5)])]);
    world.modify(0..20, 0..20);
    running.until("d", |status| status.delivered == 400).await;
    assert_eq!(world.watcher.opened(), 1);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn those_that_are_behind_are_read_for_together() {
    let world = World::new();
    let sinks = [RecordingSink::new(), RecordingSink::new()];
    let running = world.start(collections(50, &sinks));
    running
        .until("c49-1", |status| status.lag_seconds == Some(0.0))
        .await;
    running.stop().await;
    for value in 0..20 {
        for number in 0..50 {
            world
                .watcher
                .change(&format!("c{number}"), "k", RecordType::Modify, value);
        }
    }
    let before = world.watcher.opened();
    let running = world.start(collections(50, &sinks));
    for number in 0..50 {
        running
            .until(&format!("c{number}-1"), |status| status.delivered == 20)
            .await;
    }
    running.stop().await;
    assert!(
        sinks
            .iter()
            .all(|sink| sink.accepted().len() == 1000 && repeated(sink).is_empty())
    );
    assert!(world.watcher.opened() - before <= 3, "{}", world.watcher.opened());
}

/// Its stream takes the place of the one that the others read from, at a place that they have passed.
#[tokio::test(start_paused = true)]
async fn a_collection_that_comes_or_goes_costs_the_others_nothing() {
    let world = World::new();
    let sinks = [RecordingSink::new(), RecordingSink::new()];
    let running = world.start(collections(1, &sinks));
    let mut value = 0;
    for round in 0..30 {
        let count = 1 + round % 3;
        running
            .handle
            .set_collections(collections(count, &sinks))
            .unwrap();
        for _ in 0..50 {
            for number in 0..3 {
                world
                    .watcher
                    .change(&format!("c{number}"), "k", RecordType::Modify, value);
            }
            value += 1;
            tokio::time::sleep(Duration::from_millis(u64::try_from(round).unwrap() % 7)).await;
        }
    }
    running.until("c0-1", |status| status.delivered == value).await;
    running.stop().await;
    for sink in &sinks {
        let of_first = sink.arrived().into_iter().map(|arrived| arrived.record);
        let of_first = of_first.filter(|record| record.collection().as_str() == "c0");
        let values: Vec<u64> = of_first.map(|record| crate::harness::value_of(&record)).collect();
        assert_eq!(values, (0..value).collect::<Vec<_>>());
    }
}

/// All three stand somewhere else; the two that begin again are read for by one stream.
#[tokio::test(start_paused = true)]
async fn only_those_halt_whose_history_is_gone() {
    let world = World::new();
    let sinks = [RecordingSink::new(), RecordingSink::new(), RecordingSink::new()];
    let specs = |late_is_paused, later_is_paused| {
        let of = |id, sink: &RecordingSink| subscription(id, sink.clone(), 5);
        vec![
            collection("c", vec![of("late", &sinks[0]).paused(late_is_paused)]),
            collection("d", vec![of("later", &sinks[1]).paused(later_is_paused)]),
            collection("e", vec![of("live", &sinks[2])]),
        ]
    };
    let write = |values: std::ops::Range<u64>| {
        for value in values {
            world.watcher.change("d", "k", RecordType::Modify, value);
            world.watcher.change("e", "k", RecordType::Modify, value);
        }
    };
    // Where it stands is known by a token, as it is of the others.
    world.watcher.change("c", "k", RecordType::Modify, 0);
    let running = world.start(specs(false, false));
    running.until("late", |status| status.delivered == 1).await;
    running.handle.set_collections(specs(true, false)).unwrap();
    running.until_phase("late", SubscriptionPhase::Paused).await;
    write(0..10);
    for id in ["later", "live"] {
        running.until(id, |status| status.delivered == 10).await;
    }
    running.handle.set_collections(specs(true, true)).unwrap();
    running.until_phase("later", SubscriptionPhase::Paused).await;
    world.watcher.forget_history();
    write(10..20);
    running.handle.set_collections(specs(false, false)).unwrap();
    running.until_phase("late", SubscriptionPhase::Halted).await;
    for id in ["later", "live"] {
        running.until(id, |status| status.delivered == 20).await;
        running.until_phase(id, SubscriptionPhase::Streaming).await;
    }
    running.stop().await;
}

/// Reads what another watcher reads, and says that it is the history of another source.
#[derive(Debug)]
struct Elsewhere(ScriptedWatcher);

struct ElsewhereStream(Box<dyn RecordStream>);

#[async_trait]
impl Watcher for Elsewhere {
    async fn open(
        &self,
        targets: &[WatchTarget],
        start: &Position,
    ) -> Result<Box<dyn RecordStream>, WatchError> {
        Ok(Box::new(ElsewhereStream(self.0.open(targets, start).await?)))
    }

    async fn now(&self) -> Result<ClusterTime, WatchError> {
        self.0.now().await
    }
}

#[async_trait]
impl RecordStream for ElsewhereStream {
    async fn next_batch(&mut self, limits: BatchLimits) -> Result<StreamBatch, WatchError> {
        let mut batch = self.0.next_batch(limits).await?;
        let stream = StreamIdentity {
            source: "elsewhere".into(),
            options: String::new(),
        };
        let token = batch.position.token().unwrap_or_default().to_owned();
        batch.position = Position::after(batch.position.time(), token, Arc::new(stream));
        Ok(batch)
    }
}

/// Compared with positions of this source it would be anywhere, and what is missing would never be known.
#[tokio::test(start_paused = true)]
async fn a_position_of_another_source_is_refused_and_nobody_else_is_held_up() {
    let world = World::new();
    let sinks = [RecordingSink::new(), RecordingSink::new()];
    let stranger = || collection("c", vec![subscription("stranger", sinks[0].clone(), 5)]);
    let own = || collection("other", vec![subscription("own", sinks[1].clone(), 5)]);
    // It stands before the other one, and the source of both positions is known.
    world.watcher.change("other", "k", RecordType::Modify, 0);
    let running = world.start(vec![own()]);
    sinks[1].wait_accepted(1).await;
    running.stop().await;
    for value in 0..5 {
        world.watcher.change("c", "k", RecordType::Modify, value);
    }
    let elsewhere = Conduit::builder(
        Arc::new(Elsewhere(world.watcher.clone())),
        Arc::new(world.store.clone()),
    )
    .clock(world.clock.clone())
    .collection(stranger());
    let elsewhere = Running::of(elsewhere.build().unwrap());
    sinks[0].wait_accepted(5).await;
    elsewhere.stop().await;

    let running = world.start(vec![stranger(), own()]);
    for value in 5..10 {
        world.watcher.change("c", "k", RecordType::Modify, value);
        world.watcher.change("other", "k", RecordType::Modify, value);
    }
    running.until("own", |status| status.delivered == 5).await;
    running
        .until("stranger", |status| {
            status
                .reason
                .as_deref()
                .is_some_and(|reason| reason.contains("of another source (elsewhere)"))
        })
        .await;
    assert_eq!(running.status("stranger").unwrap().delivered, 0);
    running.stop().await;
}
