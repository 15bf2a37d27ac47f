//! Which changes come.

use conduit_core::Position;

use super::super::scene::target;
use super::super::{Change, Scene, WatcherHarness};

pub async fn every_change_after_the_start_comes_once<H: WatcherHarness>(scene: &Scene<H>) {
    let mut reading = scene.open_orders(scene.start()).await;
    scene.insert_some(3).await;
    reading.read_until("3").await;
    for n in 4..=30 {
        scene.insert(&n.to_string()).await;
    }
    reading.read_until("30").await;
    let expected: Vec<String> = (1..=30).map(|n: u32| n.to_string()).collect();
    assert_eq!(reading.ids(), expected);
}

pub async fn changes_from_before_the_stream_was_opened_come_too<H: WatcherHarness>(scene: &Scene<H>) {
    scene.insert_some(5).await;
    assert_eq!(
        scene.read_all(scene.start(), "5").await,
        ["1", "2", "3", "4", "5"]
    );
}

pub async fn no_change_before_the_start_comes<H: WatcherHarness>(scene: &Scene<H>) {
    scene.insert_some(4).await;
    let mut reading = scene.open_orders(scene.start()).await;
    reading.read_until("4").await;
    for (n, record) in reading.records.iter().enumerate() {
        let at_its_time = Position::at_time(record.time());
        // A time stands before all changes of that time.
        let expected: Vec<_> = reading
            .records
            .iter()
            .filter(|other| other.time() >= record.time())
            .collect();
        let mut again = scene.open_orders(&at_its_time).await;
        again.read_until("4").await;
        assert_eq!(
            again.records.len(),
            expected.len(),
            "opened at the time of record {n}"
        );
        assert_eq!(again.records[0].event_id(), expected[0].event_id());
    }
}

pub async fn changes_of_other_collections_do_not_come<H: WatcherHarness>(scene: &Scene<H>) {
    for n in 1..=5 {
        scene.insert_into("elsewhere", &format!("other-{n}"), n, 0).await;
        scene.insert_into("users", &format!("user-{n}"), n, 0).await;
        scene.insert(&n.to_string()).await;
    }
    assert_eq!(
        scene.read_all(scene.start(), "5").await,
        ["1", "2", "3", "4", "5"]
    );
}

pub async fn several_collections_come_in_one_order<H: WatcherHarness>(scene: &Scene<H>) {
    for n in 1..=4 {
        scene.insert_into("users", &format!("user-{n}"), n, 0).await;
        scene.insert(&format!("order-{n}")).await;
    }
    let mut reading = scene
        .open(&[target("orders"), target("users")], scene.start())
        .await;
    reading.read_until("order-4").await;
    let expected: Vec<String> = (1..=4)
        .flat_map(|n| [format!("user-{n}"), format!("order-{n}")])
        .collect();
    assert_eq!(reading.ids(), expected);
}

pub async fn streams_side_by_side_each_bring_everything<H: WatcherHarness>(scene: &Scene<H>) {
    let mut one = scene.open_orders(scene.start()).await;
    scene.insert_some(3).await;
    let mut other = scene.open_orders(scene.start()).await;
    let mut wider = scene
        .open(&[target("users"), target("orders")], scene.start())
        .await;
    one.read_until("2").await;
    wider.read_until("1").await;
    for n in 4..=6 {
        scene.insert(&n.to_string()).await;
    }
    for reading in [&mut other, &mut wider, &mut one] {
        reading.read_until("6").await;
        assert_eq!(reading.ids(), ["1", "2", "3", "4", "5", "6"]);
    }
}

pub async fn a_collection_dropped_and_made_again_does_not_end_the_stream<H: WatcherHarness>(
    scene: &Scene<H>,
) {
    let mut reading = scene.open_orders(scene.start()).await;
    scene.insert_some(2).await;
    if !scene.change(Change::Drop { collection: "orders" }).await {
        return;
    }
    scene.insert("3").await;
    reading.read_until("3").await;
    assert_eq!(reading.ids(), ["1", "2", "3"]);
    // From before the drop, too.
    let position = reading.position_after(0);
    assert_eq!(scene.read_all(&position, "3").await, ["2", "3"]);
}

pub async fn what_was_acknowledged_is_not_after_now<H: WatcherHarness>(scene: &Scene<H>) {
    let mut reading = scene.open_orders(scene.start()).await;
    for n in 1..=20 {
        let id = n.to_string();
        scene.insert(&id).await;
        let now = scene.watcher().now().await.expect("the source tells the time");
        reading.read_until(&id).await;
        let time = reading.records[n - 1].time();
        assert!(
            time <= now,
            "the change at {time:?} was acknowledged before {now:?} was asked for"
        );
    }
}
