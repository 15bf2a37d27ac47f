//! What a commit changes, and when it changes nothing.

use conduit_core::{
    Commit, Lease, LetterSelection, Position, ProcessedId, RetryId, Sequence, StateErrorKind, WallTime,
};

use super::super::samples::{at, collection, destination, record, retry_parked, stored_position, token};
use super::super::scene::{advance, commit, cured, dead, orders, request_of, start, subscription};
use super::super::{Scene, StoreHarness};

/// A commit with something of everything in it; `n` numbers its records.
fn full(lease: &Lease, number: u64, n: u32) -> Commit {
    let name = collection("orders");
    let mut full = commit(lease, number);
    full.settled_ahead = vec![record(&name, n + 9, "a").sequence().clone()];
    full.processed = vec![ProcessedId::of(&record(&name, n, "a"))];
    full.parked = vec![retry_parked(
        u64::from(n) + 100,
        &record(&name, n + 1, "b"),
        WallTime::from_millis(9000),
    )];
    full.dead = vec![dead(&record(&name, n + 2, "c"))];
    full
}

pub async fn a_commit_changes_everything_it_names<H: StoreHarness>(mut scene: Scene<H>) {
    let (lease, state) = scene.take("w1").await;
    let mut commit = full(&lease, 1, 10);
    commit.advance = advance(&lease, 1, &state.position, &stored_position(5)).advance;
    scene.commit(&commit).await;
    let before = scene.everything(&lease).await;
    scene.reopen().await;
    assert_eq!(scene.everything(&lease).await, before);
    let (_, state) = scene.take("w1").await;
    assert_eq!(state.position, stored_position(5));
    assert_eq!(state.last_commit, 1);
    assert_eq!(state.settled_ahead, commit.settled_ahead);
    assert_eq!(state.waiting.len(), 1);
    assert_eq!(state.poisoned.len(), 1);
    assert_eq!(state.poisoned[0].key, commit.dead[0].record.key());
    assert_eq!(state.dead_letters, 1);
    assert_eq!(
        scene
            .store()
            .processed(&orders(), &commit.processed)
            .await
            .unwrap(),
        [true]
    );
    assert_eq!(scene.dead_letters().await.len(), 1);
}

pub async fn a_refused_commit_in_a_group_changes_nothing_and_the_others_are_applied<H: StoreHarness>(
    scene: Scene<H>,
) {
    let (lease, state) = scene.take("w1").await;
    let (second, _) = scene.take_with(&request_of(&collection("users"), "w1")).await;
    scene.state_of(&lease, "http-2").await;
    let stale = Lease {
        epoch: second.epoch + 1000,
        ..second.clone()
    };
    let mut conflicting = full(&lease, 7, 10);
    conflicting.advance = advance(&lease, 7, &state.position, &stored_position(5)).advance;
    let of_second = Commit::new(subscription("orders", "http-2"), lease.clone(), 1);
    let group = [
        commit(&second, 1),
        conflicting,
        of_second,
        full(&stale, 2, 10),
        commit(&second, 2),
    ];
    let before = scene.everything(&lease).await;
    let answers = scene.store().commit(&group).await;
    let kinds: Vec<_> = answers
        .iter()
        .map(|answer| answer.as_ref().map_err(|error| error.kind()))
        .collect();
    let (conflict, fenced) = (Err(StateErrorKind::Conflict), Err(StateErrorKind::Fenced));
    assert_eq!(kinds, [Ok(&()), conflict, Ok(&()), fenced, Ok(&())]);
    assert_eq!(
        scene.everything(&lease).await,
        before,
        "a refused commit changed something"
    );
    let missed = scene
        .store()
        .processed(&orders(), &group[1].processed)
        .await
        .unwrap();
    assert_eq!(missed, [false], "a refused commit recorded a processed id");
    assert_eq!(scene.state_of(&lease, "http-2").await.last_commit, 1);
    assert_eq!(scene.state(&second).await.last_commit, 2);
}

pub async fn commits_of_one_subscription_in_a_group_follow_each_other<H: StoreHarness>(scene: Scene<H>) {
    let (lease, state) = scene.take("w1").await;
    let group = [
        advance(&lease, 1, &state.position, &stored_position(1)),
        full(&lease, 2, 10),
        advance(&lease, 3, &stored_position(1), &stored_position(2)),
    ];
    let answers = scene.store().commit(&group).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let state = scene.state(&lease).await;
    assert_eq!((state.last_commit, state.position), (3, stored_position(2)));
}

pub async fn a_commit_with_a_wrong_number_is_a_conflict<H: StoreHarness>(scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    scene
        .refused(&full(&lease, 0, 10), &lease, StateErrorKind::Conflict)
        .await;
    scene
        .refused(&full(&lease, 2, 10), &lease, StateErrorKind::Conflict)
        .await;
    scene.commit(&full(&lease, 1, 10)).await;
    scene
        .refused(&full(&lease, 3, 20), &lease, StateErrorKind::Conflict)
        .await;
}

pub async fn a_commit_from_another_position_is_a_conflict<H: StoreHarness>(scene: Scene<H>) {
    let (lease, state) = scene.take("w1").await;
    let mut wrong = full(&lease, 1, 10);
    wrong.advance = advance(&lease, 1, &stored_position(1), &stored_position(5)).advance;
    scene.refused(&wrong, &lease, StateErrorKind::Conflict).await;
    scene
        .commit(&advance(&lease, 1, &state.position, &stored_position(2)))
        .await;
    let other_token = Position::after(at(2), token(77), stored_position(2).stream().clone());
    let without_token = Position::at_time(at(2));
    for from in [
        &state.position,
        &stored_position(1),
        &stored_position(3),
        &other_token,
        &without_token,
    ] {
        let mut wrong = full(&lease, 2, 10);
        wrong.advance = advance(&lease, 2, from, &stored_position(99)).advance;
        scene.refused(&wrong, &lease, StateErrorKind::Conflict).await;
    }
}

pub async fn a_position_never_moves_back<H: StoreHarness>(scene: Scene<H>) {
    let (lease, state) = scene.take("w1").await;
    scene
        .commit(&advance(&lease, 1, &state.position, &stored_position(5)))
        .await;
    let mut back = full(&lease, 2, 10);
    back.advance = advance(&lease, 2, &stored_position(5), &stored_position(4)).advance;
    scene.refused(&back, &lease, StateErrorKind::Invalid).await;
    // To stay is no move back.
    scene
        .commit(&advance(&lease, 2, &stored_position(5), &stored_position(5)))
        .await;
}

pub async fn a_repeat_of_the_last_commit_succeeds_and_changes_nothing<H: StoreHarness>(mut scene: Scene<H>) {
    let (lease, state) = scene.take("w1").await;
    let mut first = full(&lease, 1, 10);
    first.advance = advance(&lease, 1, &state.position, &stored_position(5)).advance;
    scene.commit(&first).await;
    let before = scene.everything(&lease).await;
    scene.commit(&first).await;
    scene.reopen().await;
    scene.commit(&first).await;
    assert_eq!(
        scene.everything(&lease).await,
        before,
        "a repeated commit changed something"
    );
    scene.commit(&commit(&lease, 2)).await;
}

pub async fn a_repeat_of_an_earlier_commit_is_a_conflict<H: StoreHarness>(scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    scene.commit(&full(&lease, 1, 10)).await;
    scene.commit(&commit(&lease, 2)).await;
    scene
        .refused(&full(&lease, 1, 10), &lease, StateErrorKind::Conflict)
        .await;
    // The number alone does not make a commit the last one: this is another holder's.
    let (next, _) = scene.take("w1").await;
    scene
        .refused(&full(&next, 2, 20), &next, StateErrorKind::Conflict)
        .await;
}

pub async fn a_commit_with_an_old_epoch_is_fenced<H: StoreHarness>(scene: Scene<H>) {
    let (first, _) = scene.take("w1").await;
    scene.commit(&commit(&first, 1)).await;
    let (second, _) = scene.take("w1").await;
    for number in [1, 2] {
        scene
            .refused(&full(&first, number, 10), &second, StateErrorKind::Fenced)
            .await;
    }
    let other_worker = Lease {
        worker: conduit_core::WorkerId::new("w2"),
        ..second.clone()
    };
    scene
        .refused(&full(&other_worker, 2, 10), &second, StateErrorKind::Fenced)
        .await;
}

pub async fn a_commit_without_state_is_fenced<H: StoreHarness>(scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    let mut unknown = full(&lease, 1, 10);
    unknown.subscription.destination = destination("never-seen");
    scene.refused(&unknown, &lease, StateErrorKind::Fenced).await;
    let unknown = Lease {
        collection: collection("never-seen"),
        ..lease
    };
    let error = scene.try_commit(&commit(&unknown, 1)).await.unwrap_err();
    assert_eq!(error.kind(), StateErrorKind::Fenced, "{error}");
}

pub async fn a_commit_after_the_release_is_fenced<H: StoreHarness>(scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    scene.commit(&commit(&lease, 1)).await;
    scene.store().release(&lease).await.unwrap();
    for number in [1, 2] {
        let error = scene.try_commit(&full(&lease, number, 10)).await.unwrap_err();
        assert_eq!(error.kind(), StateErrorKind::Fenced, "{error}");
    }
    let (_, state) = scene.take("w2").await;
    assert_eq!((state.last_commit, state.waiting.len()), (1, 0));
}

pub async fn a_new_holder_goes_on_where_the_old_one_stopped<H: StoreHarness>(scene: Scene<H>) {
    let (first, state) = scene.take("w1").await;
    scene
        .commit(&advance(&first, 1, &state.position, &stored_position(1)))
        .await;
    scene.store().release(&first).await.unwrap();
    let (second, state) = scene.take("w2").await;
    assert_eq!((state.last_commit, &state.position), (1, &stored_position(1)));
    scene
        .commit(&advance(&second, 2, &state.position, &stored_position(2)))
        .await;
    assert_eq!(scene.state(&second).await.position, stored_position(2));
}

pub async fn a_commit_of_ten_thousand_of_each_is_applied<H: StoreHarness>(mut scene: Scene<H>) {
    const MANY: u32 = 10_000;
    let (lease, _) = scene.take("w1").await;
    let name = collection("orders");
    let records: Vec<_> = (1..=MANY)
        .map(|n| record(&name, n, &format!("document-{n}")))
        .collect();
    let mut large = commit(&lease, 1);
    large.settled_ahead = (1..=MANY).map(|n| Sequence::whole(&token(n))).collect();
    large.processed = records.iter().map(|record| ProcessedId::of(record)).collect();
    large.dead = records.iter().map(dead).collect();
    let park = |(id, record)| retry_parked(id, record, WallTime::from_millis(9000));
    large.parked = (1..).zip(&records).map(park).collect();
    scene.commit(&large).await;
    scene.reopen().await;
    let (lease, state) = scene.take("w1").await;
    assert_eq!(state.settled_ahead, large.settled_ahead);
    assert_eq!(state.waiting.len(), records.len());
    assert_eq!(state.poisoned.len(), records.len());
    assert_eq!(state.dead_letters, u64::from(MANY));
    let found = scene
        .store()
        .processed(&orders(), &large.processed)
        .await
        .unwrap();
    assert!(found.len() == records.len() && found.into_iter().all(|found| found));
    let ids: Vec<RetryId> = state.waiting.iter().map(|waiting| waiting.id).collect();
    let contents = scene.store().waiting(&orders(), &ids).await.unwrap();
    assert!(contents.iter().zip(&records).all(|(found, record)| {
        found
            .as_ref()
            .is_some_and(|found| found.record.json() == record.json())
    }));

    let mut gone = advance(&lease, 2, &state.position, &stored_position(MANY));
    gone.unparked = ids;
    gone.cured = (1..=MANY)
        .map(|n| cured(MANY + 1, &format!("document-{n}")))
        .collect();
    scene.commit(&gone).await;
    let mut states = scene.store().load(&lease, &[start("http-1")]).await.unwrap();
    let state = states.remove(0);
    assert!(state.settled_ahead.is_empty() && state.waiting.is_empty() && state.poisoned.is_empty());
    let letters = scene.letters(&LetterSelection::default()).await;
    assert!(letters.len() == records.len() && letters.iter().all(|letter| letter.stale));

    let mut back = commit(&lease, 3);
    back.redriven = letters.iter().map(|letter| letter.id).collect();
    scene.commit(&back).await;
    let state = scene.state(&lease).await;
    assert_eq!((state.dead_letters, state.collection_dead_letters), (0, 0));
    assert!(scene.dead_letters().await.is_empty());
}

pub async fn an_empty_group_has_no_answers<H: StoreHarness>(scene: Scene<H>) {
    assert!(scene.store().commit(&[]).await.is_empty());
}
