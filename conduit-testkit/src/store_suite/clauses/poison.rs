//! Dead letters that poison their keys, turn stale, and come back.

use conduit_core::{ClusterTime, Commit, DeadLetter, Lease, LetterSelection, PoisonedKey};
use conduit_core::{RecordKey, StateErrorKind, WallTime};

use super::super::samples::{at, collection, destination, record, retry_parked};
use super::super::scene::{commit, cured, dead};
use super::super::{Scene, StoreHarness};

fn poisoned(key: &str, letters: u64, newest: ClusterTime) -> PoisonedKey {
    PoisonedKey {
        key: RecordKey::of(key.as_bytes()),
        letters,
        newest,
    }
}

/// The poisoned keys of `http-1`, by key.
async fn keys<H: StoreHarness>(scene: &Scene<H>, lease: &Lease) -> Vec<PoisonedKey> {
    let mut keys = scene.state(lease).await.poisoned;
    keys.sort_by_key(|poisoned| poisoned.key);
    keys
}

fn by_key(mut keys: Vec<PoisonedKey>) -> Vec<PoisonedKey> {
    keys.sort_by_key(|poisoned| poisoned.key);
    keys
}

/// Whether each letter of `orders` is stale, by what lists them and by what reads them.
async fn stale<H: StoreHarness>(scene: &Scene<H>) -> Vec<bool> {
    let letters = scene.letters(&LetterSelection::default()).await;
    let stale: Vec<bool> = letters.iter().map(|letter| letter.stale).collect();
    let texts = scene.dead_letters().await;
    let shown = texts.iter().map(|text| text.ends_with(r#","stale":true}"#));
    assert_eq!(stale, shown.collect::<Vec<_>>());
    for text in texts {
        serde_json::from_str::<serde_json::Value>(&text).expect("a dead letter is JSON");
    }
    stale
}

/// A commit that gives up changes of documents.
fn giving_up(lease: &Lease, number: u64, changes: &[(u32, &str)]) -> Commit {
    let name = collection("orders");
    let mut commit = commit(lease, number);
    commit.dead = changes
        .iter()
        .map(|(n, key)| dead(&record(&name, *n, key)))
        .collect();
    commit
}

pub async fn a_dead_letter_poisons_its_key<H: StoreHarness>(mut scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    scene.commit(&giving_up(&lease, 1, &[(7, "a"), (2, "b")])).await;
    scene.commit(&giving_up(&lease, 2, &[(3, "a")])).await;
    scene.reopen().await;
    let expected = by_key(vec![poisoned("a", 2, at(7)), poisoned("b", 1, at(2))]);
    assert_eq!(keys(&scene, &lease).await, expected);
    let (_, state) = scene.take("w1").await;
    assert_eq!(by_key(state.poisoned), expected);
}

pub async fn a_stale_dead_letter_does_not_poison_its_key<H: StoreHarness>(mut scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    let mut first = giving_up(&lease, 1, &[(1, "a"), (2, "a"), (3, "b")]);
    first.dead[1].stale = true;
    first.dead[2].stale = true;
    scene.commit(&first).await;
    scene.reopen().await;
    assert_eq!(keys(&scene, &lease).await, [poisoned("a", 1, at(1))]);
    assert_eq!(stale(&scene).await, [false, true, true]);
    assert_eq!(scene.state(&lease).await.dead_letters, 3);
}

pub async fn a_cure_makes_older_letters_of_its_key_stale<H: StoreHarness>(mut scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    scene.state_of(&lease, "http-2").await;
    let changes = [(1, "a"), (5, "a"), (2, "b"), (3, "a"), (4, "a")];
    scene.commit(&giving_up(&lease, 1, &changes)).await;
    let mut elsewhere = giving_up(&lease, 1, &[(1, "a")]);
    elsewhere.subscription.destination = destination("http-2");
    scene.commit(&elsewhere).await;
    let mut second = commit(&lease, 2);
    // The furthest place counts, and what is at it stays.
    second.cured = vec![cured(2, "a"), cured(4, "a"), cured(1, "a"), cured(9, "never")];
    scene.commit(&second).await;
    scene.reopen().await;
    assert_eq!(stale(&scene).await, [true, false, false, true, false, false]);
    let expected = by_key(vec![poisoned("a", 2, at(5)), poisoned("b", 1, at(2))]);
    assert_eq!(keys(&scene, &lease).await, expected);
    let other = scene.state_of(&lease, "http-2").await;
    assert_eq!(other.poisoned, [poisoned("a", 1, at(1))]);

    let mut third = commit(&lease, 3);
    third.cured = vec![cured(6, "a"), cured(6, "b")];
    scene.commit(&third).await;
    scene.commit(&third).await;
    scene.reopen().await;
    assert_eq!(stale(&scene).await, [true, true, true, true, true, false]);
    let state = scene.state(&lease).await;
    assert!(state.poisoned.is_empty());
    assert_eq!((state.dead_letters, state.collection_dead_letters), (5, 6));
    scene.commit(&giving_up(&lease, 4, &[(8, "a")])).await;
    assert_eq!(keys(&scene, &lease).await, [poisoned("a", 1, at(8))]);
}

pub async fn a_cure_comes_after_the_letters_of_its_commit<H: StoreHarness>(scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    scene.commit(&giving_up(&lease, 1, &[(1, "a")])).await;
    let mut both = giving_up(&lease, 2, &[(2, "a"), (4, "a"), (2, "b")]);
    both.cured = vec![cured(3, "a")];
    scene.commit(&both).await;
    assert_eq!(stale(&scene).await, [true, true, false, false]);
    let expected = by_key(vec![poisoned("a", 1, at(4)), poisoned("b", 1, at(2))]);
    assert_eq!(keys(&scene, &lease).await, expected);
}

/// Of a change that makes two records the second one is newer, and of tokens the longer one that begins with the other.
pub async fn a_cure_goes_by_the_text_of_places<H: StoreHarness>(scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    let places = ["82AB-0", "82AB-1", "82AB04", "82AB", "82aa", "82B"];
    let name = collection("orders");
    let mut first = commit(&lease, 1);
    first.dead = places.map(|place| dead(&placed(&name, place))).to_vec();
    scene.commit(&first).await;
    let mut second = commit(&lease, 2);
    second.cured = vec![conduit_core::Cured {
        key: RecordKey::of(b"a"),
        sequence: conduit_core::Sequence::from_text("82AB04"),
    }];
    scene.commit(&second).await;
    assert_eq!(stale(&scene).await, [true, true, false, true, false, false]);
}

/// A record at a place of its own.
fn placed(name: &conduit_core::CollectionName, place: &str) -> std::sync::Arc<conduit_core::Record> {
    std::sync::Arc::new(conduit_core::Record::new(conduit_core::RecordParts {
        event_id: conduit_core::EventId::new(place),
        collection: name.clone(),
        record_type: conduit_core::RecordType::Modify,
        key: RecordKey::of(b"a"),
        keys: br#"{"_id":"a"}"#,
        new_image: None,
        old_image: None,
        timestamp: WallTime::from_millis(0),
        time: at(1),
        sequence: conduit_core::Sequence::from_text(place),
    }))
}

pub async fn redriven_letters_leave_with_the_commit_that_parks_them<H: StoreHarness>(mut scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    let changes = [(1, "a"), (3, "a"), (2, "b"), (2, "a")];
    scene.commit(&giving_up(&lease, 1, &changes)).await;
    let letters = scene.letters(&LetterSelection::default()).await;
    let mut back = commit(&lease, 2);
    let redriven = [&letters[1], &letters[2]];
    back.redriven = redriven.iter().map(|letter| letter.id).collect();
    back.parked = (1..)
        .zip(redriven)
        .map(|(id, letter)| retry_parked(id, &letter.record, WallTime::from_millis(9000)))
        .collect();
    scene.commit(&back).await;
    scene.commit(&back).await;
    scene.reopen().await;
    let left: Vec<u64> = scene
        .letters(&LetterSelection::default())
        .await
        .iter()
        .map(|letter| letter.id)
        .collect();
    assert_eq!(left, [letters[0].id, letters[3].id]);
    assert_eq!(scene.dead_letters().await.len(), 2);
    let state = scene.state(&lease).await;
    assert_eq!(state.poisoned, [poisoned("a", 2, at(2))]);
    assert_eq!((state.dead_letters, state.collection_dead_letters), (2, 2));
    assert_eq!(state.waiting.len(), 2);

    // A stale one comes back too, and what leaves is not cured besides.
    let mut third = commit(&lease, 3);
    third.cured = vec![cured(2, "a")];
    scene.commit(&third).await;
    assert_eq!(stale(&scene).await, [true, false]);
    let mut fourth = giving_up(&lease, 4, &[(6, "a")]);
    fourth.redriven = vec![letters[0].id, letters[3].id, letters[3].id];
    fourth.cured = vec![cured(5, "a")];
    scene.commit(&fourth).await;
    assert_eq!(stale(&scene).await, [false]);
    assert_eq!(keys(&scene, &lease).await, [poisoned("a", 1, at(6))]);
    assert_eq!(scene.state(&lease).await.dead_letters, 1);

    // The only one of its key leaves, and an older one comes with the same commit.
    let mut fifth = giving_up(&lease, 5, &[(2, "a")]);
    fifth.redriven = scene
        .letters(&LetterSelection::default())
        .await
        .iter()
        .map(|letter| letter.id)
        .collect();
    scene.commit(&fifth).await;
    assert_eq!(keys(&scene, &lease).await, [poisoned("a", 1, at(2))]);
}

pub async fn redriving_what_is_not_there_is_a_conflict<H: StoreHarness>(scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    scene.state_of(&lease, "http-2").await;
    scene.commit(&giving_up(&lease, 1, &[(1, "a"), (2, "b")])).await;
    let mut elsewhere = giving_up(&lease, 1, &[(3, "a")]);
    elsewhere.subscription.destination = destination("http-2");
    scene.commit(&elsewhere).await;
    let letters = scene.letters(&LetterSelection::default()).await;
    let (own, other) = (letters[0].id, letters[2].id);
    for missing in [other, other + 1, 0] {
        let mut wrong = giving_up(&lease, 2, &[(9, "c")]);
        wrong.redriven = vec![own, missing];
        wrong.cured = vec![cured(9, "b")];
        wrong.parked = vec![retry_parked(1, &letters[0].record, WallTime::from_millis(9000))];
        scene.refused(&wrong, &lease, StateErrorKind::Conflict).await;
    }
    let mut right = commit(&lease, 2);
    right.redriven = vec![own];
    scene.commit(&right).await;
    let mut again = commit(&lease, 3);
    again.redriven = vec![own];
    scene.refused(&again, &lease, StateErrorKind::Conflict).await;
    assert_eq!(scene.letters(&LetterSelection::default()).await.len(), 2);
}

/// Few changes in a long list, many, and ids with gaps between them.
pub async fn letters_are_found_in_a_long_list<H: StoreHarness>(scene: Scene<H>) {
    const MANY: u32 = 3000;
    let (lease, _) = scene.take("w1").await;
    let name = collection("orders");
    let key = |n: u32| format!("document-{}", n % 100);
    let mut first = commit(&lease, 1);
    first.dead = (0..MANY)
        .map(|n| DeadLetter {
            stale: n % 500 == 1,
            ..dead(&record(&name, n, &key(n)))
        })
        .collect();
    scene.commit(&first).await;
    let ids: Vec<u64> = scene
        .letters(&LetterSelection::default())
        .await
        .iter()
        .map(|letter| letter.id)
        .collect();
    // Which changes of which documents are left, and whether they are stale.
    let mut expected: Vec<(u32, bool)> = (0..MANY).map(|n| (n, n % 500 == 1)).collect();
    let mut number = 1;
    let steps = [
        ((|n| n % 1000 == 7) as fn(u32) -> bool, 5, 1500),
        (|n| n % 3 == 0 || n < 400, 40, 2000),
        (|n| n == MANY - 1, 41, MANY + 1),
        (|n| n % 7 == 5, 100, 2500),
    ];
    for (goes, documents, place) in steps {
        number += 1;
        let mut step = commit(&lease, number);
        let gone = expected.iter().filter(|(n, _)| goes(*n));
        step.redriven = gone.map(|(n, _)| ids[*n as usize]).collect();
        step.cured = (0..documents).map(|n| cured(place, &key(n))).collect();
        scene.commit(&step).await;
        expected.retain(|(n, _)| !goes(*n));
        for (n, stale) in &mut expected {
            *stale |= *n % 100 < documents && *n < place;
        }
        let letters = scene.letters(&LetterSelection::default()).await;
        let found: Vec<(u64, bool)> = letters.iter().map(|letter| (letter.id, letter.stale)).collect();
        let wanted: Vec<_> = expected
            .iter()
            .map(|(n, stale)| (ids[*n as usize], *stale))
            .collect();
        assert!(found == wanted, "after commit {number}");
        let state = scene.state(&lease).await;
        let fresh = expected.iter().filter(|(_, stale)| !stale).count() as u64;
        let counted: u64 = state.poisoned.iter().map(|poisoned| poisoned.letters).sum();
        assert_eq!((counted, state.dead_letters), (fresh, expected.len() as u64));
        for poisoned in &state.poisoned {
            let of_key = expected
                .iter()
                .filter(|(n, stale)| !stale && RecordKey::of(key(*n).as_bytes()) == poisoned.key);
            assert_eq!(Some(poisoned.newest), of_key.map(|(n, _)| at(*n)).max());
        }
    }
}
