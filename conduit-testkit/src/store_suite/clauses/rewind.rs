//! Positions that an operator moved.

use conduit_core::{LetterSelection, Position, ProcessedId, QueueLengths, RetryId, Rewind, StateErrorKind};
use conduit_core::{SubscriptionStart, WallTime};

use super::super::samples::{at, collection, record, retry_parked, stored_position};
use super::super::scene::{advance, commit, cured, dead, orders, request, rewound, start_at};
use super::super::{Scene, StoreHarness};

pub async fn a_greater_generation_moves_the_position_once<H: StoreHarness>(mut scene: Scene<H>) {
    let (lease, state) = scene.take("w1").await;
    let mut first = advance(&lease, 1, &state.position, &stored_position(5));
    first.settled_ahead = vec![record(&collection("orders"), 9, "a").sequence().clone()];
    scene.commit(&first).await;
    // Backward while it is loaded, forward while the lease is taken; each again and again.
    for _ in 0..2 {
        let state = scene.load(&lease, rewound(1, 2)).await;
        assert_eq!(state.position, Position::at_time(at(2)));
        assert_eq!(state.position.token(), None);
        assert_eq!((state.last_commit, state.generation), (2, 1));
        assert!(!state.is_new && state.settled_ahead.is_empty());
        scene.reopen().await;
    }
    let mut forward = request("w1");
    forward.subscriptions = vec![rewound(7, 20)];
    for _ in 0..2 {
        let (lease, states) = scene.take_with(&forward).await;
        assert_eq!(states[0].position, Position::at_time(at(20)));
        assert_eq!((states[0].last_commit, states[0].generation), (3, 7));
        let again = scene.load(&lease, rewound(7, 9)).await;
        assert_eq!(
            again.position,
            Position::at_time(at(20)),
            "the same generation moved it again"
        );
        scene.reopen().await;
    }
    // It goes on from there.
    let (lease, states) = scene.take_with(&forward).await;
    scene
        .commit(&advance(&lease, 4, &states[0].position, &stored_position(21)))
        .await;
    scene.reopen().await;
    let (_, states) = scene.take_with(&forward).await;
    assert_eq!(
        (states[0].last_commit, &states[0].position),
        (4, &stored_position(21))
    );
}

pub async fn a_rewind_drops_what_waits_for_changes_from_there_on<H: StoreHarness>(mut scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    let name = collection("orders");
    let mut first = commit(&lease, 1);
    first.parked = [(1, 4), (2, 5), (3, 3), (4, 9)]
        .map(|(id, n)| retry_parked(id, &record(&name, n, "a"), WallTime::from_millis(9000)))
        .to_vec();
    scene.commit(&first).await;
    for _ in 0..2 {
        let state = scene.load(&lease, rewound(1, 5)).await;
        let ids: Vec<_> = state.waiting.iter().map(|waiting| waiting.id).collect();
        assert_eq!(ids, [RetryId(1), RetryId(3)]);
        let contents = scene
            .store()
            .waiting(&orders(), &[1, 2, 3, 4].map(RetryId))
            .await
            .unwrap();
        let there: Vec<_> = contents.iter().map(Option::is_some).collect();
        assert_eq!(there, [true, false, true, false]);
        let lengths = scene.store().lengths(&[orders()]).await.unwrap();
        assert_eq!(lengths, [QueueLengths { waiting: 2, dead: 0 }]);
        scene.reopen().await;
    }
}

pub async fn a_commit_from_before_a_rewind_is_a_conflict<H: StoreHarness>(scene: Scene<H>) {
    let (lease, state) = scene.take("w1").await;
    let first = advance(&lease, 1, &state.position, &stored_position(5));
    scene.commit(&first).await;
    let state = scene.load(&lease, rewound(1, 2)).await;
    assert_eq!(state.last_commit, 2);
    // The last one once more, and the one that was on its way; neither moves, so that only the number tells.
    for number in [1, 2] {
        let error = scene.try_commit(&commit(&lease, number)).await.unwrap_err();
        assert_eq!(error.kind(), StateErrorKind::Conflict, "{number}: {error}");
    }
    let error = scene.try_commit(&first).await.unwrap_err();
    assert_eq!(error.kind(), StateErrorKind::Conflict, "{error}");
    let state = scene.load(&lease, rewound(1, 2)).await;
    assert_eq!(
        (state.last_commit, &state.position),
        (2, &Position::at_time(at(2)))
    );
    let next = advance(&lease, 3, &state.position, &stored_position(3));
    scene.commit(&next).await;
    scene.commit(&next).await;
}

pub async fn a_smaller_generation_moves_nothing<H: StoreHarness>(mut scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    scene.load(&lease, rewound(5, 2)).await;
    let name = collection("orders");
    let mut first = commit(&lease, 2);
    first.parked = vec![retry_parked(
        1,
        &record(&name, 4, "a"),
        WallTime::from_millis(9000),
    )];
    first.settled_ahead = vec![record(&name, 9, "a").sequence().clone()];
    scene.commit(&first).await;
    for generation in [0, 4, 5] {
        let state = scene.load(&lease, rewound(generation, 1)).await;
        assert_eq!(state.position, Position::at_time(at(2)));
        assert_eq!((state.generation, state.last_commit), (5, 2));
        assert_eq!((state.waiting.len(), state.settled_ahead.len()), (1, 1));
        scene.reopen().await;
    }
}

pub async fn state_that_begins_takes_the_generation_over<H: StoreHarness>(mut scene: Scene<H>) {
    let mut asked = request("w1");
    asked.subscriptions = vec![rewound(3, 9)];
    for is_new in [true, false] {
        let (_, states) = scene.take_with(&asked).await;
        assert_eq!(states[0].is_new, is_new);
        assert_eq!(states[0].position, Position::at_time(at(0)));
        assert_eq!((states[0].generation, states[0].last_commit), (3, 0));
        scene.reopen().await;
    }
    // Another life has a generation of its own, also a smaller one.
    asked.subscriptions = vec![SubscriptionStart {
        rewind: Rewind {
            generation: 2,
            to: at(9),
        },
        ..start_at("http-1", 4)
    }];
    let (_, states) = scene.take_with(&asked).await;
    assert!(states[0].is_new);
    assert_eq!(states[0].position, Position::at_time(at(4)));
    assert_eq!((states[0].generation, states[0].last_commit), (2, 0));
}

pub async fn processed_ids_count_for_their_generation_only<H: StoreHarness>(scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    let ids = [1, 2].map(|n| ProcessedId::of(&record(&collection("orders"), n, "a")));
    let found = async || scene.store().processed(&orders(), &ids).await.unwrap();
    let mut first = commit(&lease, 1);
    first.processed = ids.to_vec();
    scene.commit(&first).await;
    assert_eq!(found().await, [true; 2]);
    scene.load(&lease, rewound(1, 1)).await;
    assert_eq!(found().await, [false; 2]);
    let mut again = commit(&lease, 3);
    again.processed = ids[..1].to_vec();
    scene.commit(&again).await;
    assert_eq!(found().await, [true, false]);
    // State that was lost begins in the generation that is asked for.
    scene.store().forget(&orders()).await.unwrap();
    scene.load(&lease, rewound(1, 1)).await;
    assert_eq!(found().await, [true, false]);
    scene.store().forget(&orders()).await.unwrap();
    scene.load(&lease, rewound(2, 1)).await;
    assert_eq!(found().await, [false; 2]);
}

pub async fn a_rewind_keeps_dead_letters<H: StoreHarness>(scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    let name = collection("orders");
    let mut first = commit(&lease, 1);
    first.dead = vec![dead(&record(&name, 1, "a")), dead(&record(&name, 4, "b"))];
    first.cured = vec![cured(3, "a")];
    scene.commit(&first).await;
    let before = scene.dead_letters().await;
    let state = scene.load(&lease, rewound(1, 1)).await;
    assert_eq!(state.dead_letters, 2);
    assert_eq!(state.poisoned.len(), 1);
    assert_eq!(scene.dead_letters().await, before);
    assert_eq!(scene.letters(&LetterSelection::default()).await.len(), 2);
}
