//! How subscriptions begin and end.

use conduit_core::{Opened, Position, StateErrorKind, SubscriptionStart};

use super::super::samples::{at, collection, destination, record, retry_parked, stored_position};
use super::super::scene::{
    advance, commit, dead, orders, request, request_of, start, start_at, subscription,
};
use super::super::{Scene, StoreHarness};
use conduit_core::{ProcessedId, WallTime};

pub async fn a_new_subscription_begins_at_its_start<H: StoreHarness>(scene: Scene<H>) {
    let (lease, state) = scene.take("w1").await;
    assert_eq!(lease.collection, collection("orders"));
    assert_eq!(lease.worker.as_str(), "w1");
    assert!(state.is_new);
    assert_eq!(state.position, Position::at_time(at(0)));
    assert_eq!(state.position.token(), None);
    assert_eq!(state.last_commit, 0);
    assert!(state.settled_ahead.is_empty() && state.waiting.is_empty() && state.poisoned.is_empty());
    assert_eq!((state.dead_letters, state.collection_dead_letters), (0, 0));
    assert_eq!(state.generation, 0);
}

pub async fn a_start_is_stored_before_the_answer<H: StoreHarness>(mut scene: Scene<H>) {
    scene.take("w1").await;
    scene.reopen().await;
    let (_, state) = scene.take("w1").await;
    assert!(!state.is_new);
    assert_eq!(state.position, Position::at_time(at(0)));
    assert_eq!(state.last_commit, 0);
}

pub async fn another_life_drops_the_old_state_but_keeps_dead_letters<H: StoreHarness>(mut scene: Scene<H>) {
    let (lease, state) = scene.take("w1").await;
    let name = collection("orders");
    let mut full = advance(&lease, 1, &state.position, &stored_position(1));
    full.settled_ahead = vec![record(&name, 3, "a").sequence().clone()];
    full.parked = vec![retry_parked(
        1,
        &record(&name, 2, "b"),
        WallTime::from_millis(9000),
    )];
    full.dead = vec![dead(&record(&name, 1, "c"))];
    scene.commit(&full).await;

    let mut again = request("w1");
    again.subscriptions = vec![start_at("http-1", 10)];
    for is_new in [true, false] {
        let (_, states) = scene.take_with(&again).await;
        assert_eq!(states[0].is_new, is_new);
        assert_eq!(states[0].position, Position::at_time(at(10)));
        assert_eq!(states[0].last_commit, 0);
        assert!(states[0].settled_ahead.is_empty(), "settled ahead was kept");
        assert!(states[0].waiting.is_empty(), "waiting records were kept");
        assert_eq!(
            states[0].poisoned.len(),
            1,
            "a dead letter does not poison its key any more"
        );
        assert_eq!(states[0].dead_letters, 1);
        scene.reopen().await;
    }
    assert_eq!(scene.dead_letters().await.len(), 1);
}

pub async fn states_come_in_the_order_of_the_request<H: StoreHarness>(scene: Scene<H>) {
    let mut many = request("w1");
    let starts = [("b", 3), ("a", 1), ("c", 2)];
    many.subscriptions = starts.into_iter().map(|(id, n)| start_at(id, n)).collect();
    let (_, states) = scene.take_with(&many).await;
    let positions: Vec<_> = states.iter().map(|state| state.position.clone()).collect();
    let destinations: Vec<_> = states.iter().map(|state| state.destination.as_str()).collect();
    assert_eq!(destinations, ["b", "a", "c"]);
    assert_eq!(positions, [at(3), at(1), at(2)].map(Position::at_time));
    many.subscriptions.clear();
    let (_, states) = scene.take_with(&many).await;
    assert!(states.is_empty());
}

pub async fn the_same_life_goes_on_wherever_it_would_start<H: StoreHarness>(mut scene: Scene<H>) {
    let (lease, state) = scene.take("w1").await;
    scene
        .commit(&advance(&lease, 1, &state.position, &stored_position(3)))
        .await;
    scene.reopen().await;
    let mut again = request("w1");
    again.subscriptions = vec![SubscriptionStart {
        start: at(10),
        ..start("http-1")
    }];
    let (lease, states) = scene.take_with(&again).await;
    assert!(!states[0].is_new);
    assert_eq!(
        (states[0].last_commit, &states[0].position),
        (1, &stored_position(3))
    );
    scene.store().forget(&orders()).await.unwrap();
    let states = scene.store().load(&lease, &again.subscriptions).await.unwrap();
    assert!(states[0].is_new);
    assert_eq!(states[0].position, Position::at_time(at(10)));
}

pub async fn state_that_is_not_asked_for_is_named<H: StoreHarness>(mut scene: Scene<H>) {
    let mut many = request("w1");
    many.subscriptions = ["d", "b", "a", "c"].map(start).to_vec();
    let Opened::Taken { others, .. } = scene.open(&many).await else {
        panic!("the lease is free")
    };
    assert_eq!(others, []);
    scene.store().forget(&subscription("orders", "c")).await.unwrap();
    scene.reopen().await;
    many.subscriptions = vec![start("b"), start("e")];
    for _ in 0..2 {
        let Opened::Taken { mut others, .. } = scene.open(&many).await else {
            panic!("the lease is ours")
        };
        others.sort();
        assert_eq!(others, [destination("a"), destination("d")]);
    }
}

pub async fn a_position_reads_back_with_its_stream<H: StoreHarness>(mut scene: Scene<H>) {
    let (lease, state) = scene.take("w1").await;
    let position = stored_position(7);
    scene
        .commit(&advance(&lease, 1, &state.position, &position))
        .await;
    // A commit that does not move keeps the position whole.
    scene.commit(&commit(&lease, 2)).await;
    scene.reopen().await;
    let (_, state) = scene.take("w1").await;
    assert_eq!(state.position, position);
    assert_eq!(state.position.stream(), position.stream());
    assert_eq!(state.last_commit, 2);
}

pub async fn a_subscription_can_be_added_under_a_lease_that_is_held<H: StoreHarness>(scene: Scene<H>) {
    let (lease, state) = scene.take("w1").await;
    scene
        .commit(&advance(&lease, 1, &state.position, &stored_position(1)))
        .await;
    let states = scene
        .store()
        .load(&lease, &[start("http-2"), start("http-1")])
        .await
        .unwrap();
    assert!(states[0].is_new);
    assert!(!states[1].is_new);
    assert_eq!(states[1].position, stored_position(1));
    let mut second = advance(&lease, 1, &states[0].position, &stored_position(2));
    second.subscription = subscription("orders", "http-2");
    scene.commit(&second).await;
    scene.commit(&commit(&lease, 2)).await;
}

pub async fn subscriptions_and_collections_do_not_touch_each_other<H: StoreHarness>(scene: Scene<H>) {
    let (lease, state) = scene.take("w1").await;
    let (other, _) = scene
        .take_with(&request_of(&collection("orders.more"), "w2"))
        .await;
    scene.state_of(&lease, "http-2").await;
    let of_other = scene.state(&other).await;
    let name = collection("orders");
    let mut full = advance(&lease, 1, &state.position, &stored_position(5));
    full.settled_ahead = vec![record(&name, 9, "a").sequence().clone()];
    full.parked = vec![retry_parked(
        1,
        &record(&name, 2, "b"),
        WallTime::from_millis(9000),
    )];
    full.dead = vec![dead(&record(&name, 1, "c"))];
    full.processed = vec![ProcessedId::of(&record(&name, 1, "c"))];
    scene.commit(&full).await;

    let second = scene.state_of(&lease, "http-2").await;
    assert_eq!(second.collection_dead_letters, 1);
    for state in [&second, &scene.state(&other).await] {
        assert_eq!(state.position, Position::at_time(at(0)));
        assert_eq!(state.last_commit, 0);
        assert!(state.settled_ahead.is_empty() && state.waiting.is_empty() && state.poisoned.is_empty());
        assert_eq!(state.dead_letters, 0);
    }
    assert_eq!(
        format!("{:?}", scene.state(&other).await),
        format!("{of_other:?}")
    );
    let letters = scene
        .store()
        .dead_letters(&other.collection, None, 10)
        .await
        .unwrap();
    assert!(letters.is_empty());
    scene
        .store()
        .forget(&subscription("orders", "http-2"))
        .await
        .unwrap();
    scene.store().forget_collection(&other.collection).await.unwrap();
    let first = scene.state(&lease).await;
    assert_eq!(
        (
            first.settled_ahead.len(),
            first.waiting.len(),
            first.poisoned.len()
        ),
        (1, 1, 1)
    );
}

pub async fn forgetting_a_subscription_keeps_its_dead_letters_and_fences<H: StoreHarness>(
    mut scene: Scene<H>,
) {
    let (lease, state) = scene.take("w1").await;
    let name = collection("orders");
    let mut full = advance(&lease, 1, &state.position, &stored_position(1));
    full.parked = vec![retry_parked(
        1,
        &record(&name, 2, "b"),
        WallTime::from_millis(9000),
    )];
    full.dead = vec![dead(&record(&name, 1, "c"))];
    full.settled_ahead = vec![record(&name, 9, "d").sequence().clone()];
    scene.commit(&full).await;

    for _ in 0..2 {
        scene.store().forget(&orders()).await.unwrap();
        let error = scene.try_commit(&commit(&lease, 2)).await.unwrap_err();
        assert_eq!(error.kind(), StateErrorKind::Fenced, "{error}");
    }
    scene.reopen().await;
    let (_, state) = scene.take("w1").await;
    assert!(state.is_new);
    assert_eq!(state.position, Position::at_time(at(0)));
    assert!(state.settled_ahead.is_empty() && state.waiting.is_empty());
    assert_eq!((state.poisoned.len(), state.dead_letters), (1, 1));
    assert_eq!(scene.dead_letters().await.len(), 1);
}

pub async fn forgetting_a_collection_drops_everything_and_fences<H: StoreHarness>(mut scene: Scene<H>) {
    let (lease, state) = scene.take("w1").await;
    let name = collection("orders");
    let mut full = advance(&lease, 1, &state.position, &stored_position(1));
    full.parked = vec![retry_parked(
        1,
        &record(&name, 2, "b"),
        WallTime::from_millis(9000),
    )];
    full.dead = vec![dead(&record(&name, 1, "c"))];
    scene.commit(&full).await;

    for _ in 0..2 {
        scene.store().forget_collection(&name).await.unwrap();
        let error = scene.try_commit(&commit(&lease, 2)).await.unwrap_err();
        assert_eq!(error.kind(), StateErrorKind::Fenced, "{error}");
    }
    let renewed = scene
        .store()
        .renew(std::slice::from_ref(&lease), std::time::Duration::from_secs(60))
        .await
        .unwrap();
    assert_eq!(renewed[0].as_ref().unwrap_err().kind(), StateErrorKind::Fenced);
    scene.reopen().await;
    assert!(scene.dead_letters().await.is_empty());
    let (_, state) = scene.take("w2").await;
    assert!(state.is_new && state.waiting.is_empty() && state.poisoned.is_empty());
    assert_eq!((state.dead_letters, state.collection_dead_letters), (0, 0));
}

pub async fn a_store_that_is_there_gives_a_sign_of_life<H: StoreHarness>(scene: Scene<H>) {
    scene.store().ping().await.unwrap();
}
