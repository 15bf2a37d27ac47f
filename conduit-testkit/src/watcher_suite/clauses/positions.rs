//! Where a stream stands, and going on from there.

use std::sync::Arc;

use conduit_core::{Position, StreamIdentity, WatchErrorKind};

use super::super::reading::LIMITS;
use super::super::scene::target;
use super::super::{Scene, WatcherHarness};

pub async fn a_stream_goes_on_after_the_position_of_any_record<H: WatcherHarness>(scene: &Scene<H>) {
    scene.insert_some(6).await;
    let mut reading = scene.open_orders(scene.start()).await;
    reading.read_until("6").await;
    scene.insert("end").await;
    for n in 0..6 {
        let rest = scene.read_all(&reading.position_after(n), "end").await;
        let mut expected = reading.ids()[n + 1..].to_vec();
        expected.push("end".to_owned());
        assert_eq!(rest, expected, "gone on after record {n}");
    }
}

pub async fn a_stream_goes_on_after_the_position_of_any_batch<H: WatcherHarness>(scene: &Scene<H>) {
    scene.insert_some(7).await;
    let one = conduit_core::BatchLimits {
        max_records: 1,
        ..LIMITS
    };
    let mut reading = scene.open_orders(scene.start()).await;
    let batches = reading.read_until_within("7", one).await;
    scene.insert("end").await;
    let all = reading.ids();
    let mut done = 0;
    for batch in batches {
        done += batch.records.len();
        let rest = scene.read_all(&batch.position, "end").await;
        let mut expected = all[done..].to_vec();
        expected.push("end".to_owned());
        assert_eq!(rest, expected, "gone on after {:?}", batch.position);
    }
}

pub async fn a_stream_goes_on_after_the_position_of_an_idle_one<H: WatcherHarness>(scene: &Scene<H>) {
    scene.insert_some(2).await;
    let mut reading = scene.open_orders(scene.start()).await;
    reading.read_until("2").await;
    let before = reading.position.clone();
    scene.insert_into("elsewhere", "other", 0, 0).await;
    reading.idle_until_after(&before).await;
    scene.insert("3").await;
    assert_eq!(scene.read_all(&reading.position, "3").await, ["3"]);
    reading.read_until("3").await;
    assert_eq!(reading.ids(), ["1", "2", "3"]);
}

pub async fn the_position_of_an_idle_stream_moves_on<H: WatcherHarness>(scene: &Scene<H>) {
    let mut reading = scene.open_orders(scene.start()).await;
    for n in 0..3 {
        let before = reading.position.clone();
        scene.insert_into("elsewhere", &format!("other-{n}"), n, 0).await;
        reading.idle_until_after(&before).await;
    }
    assert_eq!(reading.records.len(), 0);
}

pub async fn a_stream_of_other_targets_goes_on_from_the_same_position<H: WatcherHarness>(scene: &Scene<H>) {
    for n in 1..=4 {
        scene.insert(&format!("order-{n}")).await;
        scene.insert_into("users", &format!("user-{n}"), n, 0).await;
    }
    let mut reading = scene.open_orders(scene.start()).await;
    reading.read_until("order-4").await;
    let position = reading.position_after(1);
    for (targets, last, expected) in [
        (vec!["users"], "user-4", vec!["user-2", "user-3", "user-4"]),
        (
            vec!["users", "orders"],
            "user-4",
            vec!["user-2", "order-3", "user-3", "order-4", "user-4"],
        ),
    ] {
        let targets: Vec<_> = targets.into_iter().map(target).collect();
        let mut other = scene.open(&targets, &position).await;
        other.read_until(last).await;
        assert_eq!(other.ids(), expected);
    }
}

pub async fn a_position_of_another_source_is_refused<H: WatcherHarness>(scene: &Scene<H>) {
    scene.insert_some(1).await;
    let mut reading = scene.open_orders(scene.start()).await;
    reading.read_until("1").await;
    let identity = StreamIdentity {
        source: "id:000000000000000000000000".to_owned(),
        options: reading.position.stream().options.clone(),
    };
    let token = reading
        .position
        .token()
        .expect("the position after a record has a token");
    let foreign = Position::after(reading.position.time(), token, Arc::new(identity));
    let kind = failure_kind(scene, &foreign).await;
    assert_eq!(kind, WatchErrorKind::Invalid);
}

pub async fn a_position_whose_history_is_gone_is_history_lost<H: WatcherHarness>(scene: &Scene<H>) {
    match scene.harness().lost_position(scene.guard()).await {
        Ok(position) => assert_eq!(failure_kind(scene, &position).await, WatchErrorKind::HistoryLost),
        Err(reason) => scene.skip(reason),
    }
}

/// How opening at `position`, or else the first read, fails.
async fn failure_kind<H: WatcherHarness>(scene: &Scene<H>, position: &Position) -> WatchErrorKind {
    let targets = [target("orders")];
    // Whoever opens such a stream all the same sees something come.
    scene.insert("after").await;
    match scene.watcher().open(&targets, position).await {
        Err(error) => error.kind(),
        Ok(stream) => scene.reading(stream, &targets, position).failure().await.kind(),
    }
}
