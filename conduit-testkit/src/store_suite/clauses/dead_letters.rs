//! Dead letters: what they look like, how they are found and dropped.

use conduit_core::{LetterSelection, RecordKey, RetryId, WallTime};
use serde_json::{Value, json};

use super::super::samples::{collection, destination, record, retry_parked};
use super::super::scene::{commit, dead, orders, subscription};
use super::super::{Scene, StoreHarness};

fn id_of(letter: &str) -> u64 {
    let letter: Value = serde_json::from_str(letter).expect("a dead letter is JSON");
    letter["id"]
        .as_u64()
        .expect("a dead letter has a number as its id")
}

pub async fn dead_letters_have_the_fields_of_the_contract<H: StoreHarness>(mut scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    let record = record(&collection("orders"), 1, "a");
    let mut first = commit(&lease, 1);
    first.dead = vec![dead(&record)];
    scene.commit(&first).await;
    scene.reopen().await;
    let letters = scene.dead_letters().await;
    assert_eq!(letters.len(), 1);
    let mut letter: Value = serde_json::from_str(&letters[0]).expect("a dead letter is JSON");
    assert!(letter["id"].is_u64());
    let fields = letter.as_object_mut().expect("a dead letter is an object");
    fields.remove("id");
    let expected = json!({
        "destination": "http-1",
        "record": serde_json::from_slice::<Value>(record.json()).unwrap(),
        "attempts": 6,
        "first_attempt": "2023-11-14T22:13:20.123Z",
        "last_attempt": "2023-11-14T22:13:51.000Z",
        "last_error": "POST answered 500: \"no\"\n",
        "stale": false,
    });
    assert_eq!(letter, expected);
    let text = std::str::from_utf8(record.json()).unwrap();
    assert!(letters[0].contains(text), "the record's JSON is not as it was");
}

pub async fn dead_letters_are_paged_by_growing_id<H: StoreHarness>(mut scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    let name = collection("orders");
    for number in 1..=3 {
        let mut next = commit(&lease, number);
        let first = u32::try_from(number).unwrap() * 10;
        next.dead = (first..first + 4).map(|n| dead(&record(&name, n, "a"))).collect();
        scene.commit(&next).await;
        scene.reopen().await;
    }
    let all = scene.dead_letters().await;
    let ids: Vec<u64> = all.iter().map(|letter| id_of(letter)).collect();
    assert_eq!(ids.len(), 12);
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    let sequences = all.iter().map(|letter| {
        let letter: Value = serde_json::from_str(letter).unwrap();
        letter["record"]["sequenceNumber"].as_str().unwrap().to_owned()
    });
    assert!(
        sequences.collect::<Vec<_>>().is_sorted(),
        "dead letters are not oldest first"
    );

    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let page = scene.store().dead_letters(&name, after, 5).await.unwrap();
        assert!(page.len() <= 5);
        let Some(last) = page.last() else { break };
        after = Some(id_of(last));
        paged.extend(page);
    }
    assert_eq!(paged, all);
    assert!(
        scene
            .store()
            .dead_letters(&name, None, 0)
            .await
            .unwrap()
            .is_empty()
    );
    let none = scene
        .store()
        .dead_letters(&collection("never-seen"), None, 5)
        .await
        .unwrap();
    assert!(none.is_empty());
}

pub async fn dead_letters_are_counted_by_subscription<H: StoreHarness>(scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    scene.state_of(&lease, "http-2").await;
    let name = collection("orders");
    let mut first = commit(&lease, 1);
    first.dead = vec![dead(&record(&name, 1, "a")), dead(&record(&name, 2, "a"))];
    let mut second = commit(&lease, 1);
    second.subscription.destination = destination("http-2");
    second.dead = vec![dead(&record(&name, 1, "a"))];
    scene.commit(&first).await;
    scene.commit(&second).await;
    let state = scene.state(&lease).await;
    assert_eq!((state.dead_letters, state.collection_dead_letters), (2, 3));
    assert_eq!(scene.state_of(&lease, "http-2").await.dead_letters, 1);
    assert_eq!(scene.dead_letters().await.len(), 3);
    // Those of a destination that is gone still count for the collection.
    scene
        .store()
        .forget(&subscription("orders", "http-2"))
        .await
        .unwrap();
    let state = scene.state(&lease).await;
    assert_eq!((state.dead_letters, state.collection_dead_letters), (2, 3));
}

pub async fn purging_drops_dead_letters_of_one_subscription<H: StoreHarness>(mut scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    scene.state_of(&lease, "http-2").await;
    let name = collection("orders");
    // More than a store would look at in one go.
    for number in 1..=3 {
        let letters: Vec<_> = (0..500).map(|n| dead(&record(&name, n, "a"))).collect();
        let mut first = commit(&lease, number);
        first.dead = letters.clone();
        let mut second = commit(&lease, number);
        second.subscription.destination = destination("http-2");
        second.dead = letters;
        let answers = scene.store().commit(&[first, second]).await;
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    }
    let last = scene.store().dead_letters(&name, Some(2999), 10).await.unwrap();
    let of_first = LetterSelection {
        destination: Some(destination("http-1")),
        ids: None,
    };
    for dropped in [1500, 0] {
        assert_eq!(scene.purge(&of_first).await, dropped);
    }
    scene.reopen().await;
    let state = scene.state(&lease).await;
    assert_eq!((state.dead_letters, state.collection_dead_letters), (0, 1500));
    assert!(state.poisoned.is_empty(), "what was purged still poisons");
    assert_eq!(scene.state_of(&lease, "http-2").await.dead_letters, 1500);
    let left = scene.store().dead_letters(&name, None, 5000).await.unwrap();
    assert_eq!(left.len(), 1500);
    assert!(left.iter().map(|letter| id_of(letter)).is_sorted());
    assert!(
        left.iter()
            .all(|letter| letter.contains(r#""destination":"http-2""#))
    );
    assert_eq!(left.last(), last.last());

    // Ids are not given again.
    let mut again = commit(&lease, 4);
    again.dead = vec![dead(&record(&name, 1, "a"))];
    scene.commit(&again).await;
    let after = id_of(left.last().expect("letters are left"));
    let added = scene.store().dead_letters(&name, Some(after), 10).await.unwrap();
    assert_eq!(added.len(), 1);
    assert_eq!(scene.state(&lease).await.dead_letters, 1);
    let nothing = scene
        .store()
        .purge_dead_letters(&collection("never-seen"), &of_first)
        .await
        .unwrap();
    assert_eq!(nothing, 0);
}

/// Which letters of `orders` to select.
fn selection(id: Option<&str>, ids: Option<&[u64]>) -> LetterSelection {
    LetterSelection {
        destination: id.map(destination),
        ids: ids.map(<[u64]>::to_vec),
    }
}

/// Lets `http-1` give up the changes 1 to 4 of the documents a, b, a, b, and `http-2` 5 and 6 of a and b.
async fn six_letters<H: StoreHarness>(scene: &Scene<H>) -> conduit_core::Lease {
    let (lease, _) = scene.take("w1").await;
    scene.state_of(&lease, "http-2").await;
    let name = collection("orders");
    let key = |n: u32| if n % 2 == 1 { "a" } else { "b" };
    let mut first = commit(&lease, 1);
    first.dead = (1..=4).map(|n| dead(&record(&name, n, key(n)))).collect();
    let mut second = commit(&lease, 1);
    second.subscription.destination = destination("http-2");
    second.dead = (5..=6).map(|n| dead(&record(&name, n, key(n)))).collect();
    scene.commit(&first).await;
    scene.commit(&second).await;
    lease
}

pub async fn letters_come_with_their_records<H: StoreHarness>(mut scene: Scene<H>) {
    six_letters(&scene).await;
    scene.reopen().await;
    let name = collection("orders");
    let letters = scene.letters(&LetterSelection::default()).await;
    assert_eq!(letters.len(), 6);
    let texts = scene.dead_letters().await;
    for ((letter, text), n) in letters.iter().zip(&texts).zip(1..) {
        let written = record(&name, n, if n % 2 == 1 { "a" } else { "b" });
        assert_eq!(letter.id, id_of(text));
        assert_eq!(
            letter.destination.as_str(),
            if n < 5 { "http-1" } else { "http-2" }
        );
        assert_eq!(letter.record.json(), written.json());
        assert_eq!(letter.record.key(), written.key());
        assert_eq!(letter.record.time(), written.time());
        assert_eq!(letter.record.sequence(), written.sequence());
        assert_eq!(letter.record.new_image(), written.new_image());
        assert!(!letter.stale);
    }
}

pub async fn letters_are_selected_by_destination_and_ids<H: StoreHarness>(scene: Scene<H>) {
    six_letters(&scene).await;
    let all: Vec<u64> = scene
        .dead_letters()
        .await
        .iter()
        .map(|letter| id_of(letter))
        .collect();
    let last = all[5];
    let some = [last + 100, all[4], all[1], all[4], all[3]];
    let (both, first, second) = (None, Some("http-1"), Some("http-2"));
    let cases = [
        (selection(both, None), None, 10, all.clone()),
        (selection(first, None), None, 10, all[..4].to_vec()),
        (selection(second, None), None, 1, vec![all[4]]),
        (selection(second, None), Some(all[4]), 10, vec![all[5]]),
        (selection(Some("never-seen"), None), None, 10, vec![]),
        (
            selection(both, Some(&some)),
            None,
            10,
            vec![all[1], all[3], all[4]],
        ),
        (selection(both, Some(&some)), Some(all[1]), 1, vec![all[3]]),
        (selection(first, Some(&some)), None, 10, vec![all[1], all[3]]),
        (selection(both, Some(&[])), None, 10, vec![]),
        (selection(both, None), Some(u64::MAX), 10, vec![]),
        (selection(both, None), None, 0, vec![]),
    ];
    for (selection, after, limit, expected) in cases {
        let found = scene
            .store()
            .letters(&collection("orders"), &selection, after, limit)
            .await
            .unwrap();
        let ids: Vec<u64> = found.iter().map(|letter| letter.id).collect();
        assert_eq!(ids, expected, "{selection:?} after {after:?}, at most {limit}");
    }
    let nothing = scene
        .store()
        .letters(&collection("never-seen"), &LetterSelection::default(), None, 10)
        .await
        .unwrap();
    assert!(nothing.is_empty());
}

pub async fn a_purge_follows_its_selection<H: StoreHarness>(mut scene: Scene<H>) {
    let lease = six_letters(&scene).await;
    let all: Vec<u64> = scene
        .dead_letters()
        .await
        .iter()
        .map(|letter| id_of(letter))
        .collect();
    let keys = ["a", "b"].map(|key| RecordKey::of(key.as_bytes()));
    let mut sorted = keys;
    sorted.sort();
    // What is purged, how many that are, which are left, and which keys of the two destinations are poisoned then.
    let (a_and_b, only_b) = (sorted.to_vec(), vec![keys[1]]);
    let steps = [
        (
            selection(None, Some(&[])),
            0,
            vec![0, 1, 2, 3, 4, 5],
            a_and_b.clone(),
            a_and_b.clone(),
        ),
        (
            selection(Some("http-1"), Some(&[all[2], all[4], all[5] + 9])),
            1,
            vec![0, 1, 3, 4, 5],
            a_and_b.clone(),
            a_and_b,
        ),
        (
            selection(None, Some(&[all[0], all[4], all[0]])),
            2,
            vec![1, 3, 5],
            only_b.clone(),
            only_b.clone(),
        ),
        (selection(Some("http-1"), None), 2, vec![5], vec![], only_b),
        (selection(None, None), 1, vec![], vec![], vec![]),
        (selection(None, None), 0, vec![], vec![], vec![]),
    ];
    for (selection, purged, left, first, second) in steps {
        assert_eq!(scene.purge(&selection).await, purged, "{selection:?}");
        scene.reopen().await;
        let ids: Vec<u64> = scene
            .dead_letters()
            .await
            .iter()
            .map(|letter| id_of(letter))
            .collect();
        let left: Vec<u64> = left.into_iter().map(|place: usize| all[place]).collect();
        assert_eq!(ids, left, "after {selection:?}");
        let states = [
            (scene.state(&lease).await, first),
            (scene.state_of(&lease, "http-2").await, second),
        ];
        let mut total = 0;
        for (state, poisoned) in states {
            let keys: Vec<RecordKey> = state.poisoned.iter().map(|poisoned| poisoned.key).collect();
            assert_eq!(keys, poisoned, "{} after {selection:?}", state.destination);
            let letters: u64 = state.poisoned.iter().map(|poisoned| poisoned.letters).sum();
            assert_eq!(
                letters, state.dead_letters,
                "{} after {selection:?}",
                state.destination
            );
            assert_eq!(state.collection_dead_letters, ids.len() as u64);
            total += state.dead_letters;
        }
        assert_eq!(total, ids.len() as u64, "after {selection:?}");
    }
}

pub async fn letters_of_a_forgotten_subscription_are_found_and_purged<H: StoreHarness>(scene: Scene<H>) {
    let lease = six_letters(&scene).await;
    scene
        .store()
        .forget(&subscription("orders", "http-2"))
        .await
        .unwrap();
    assert_eq!(scene.letters(&selection(Some("http-2"), None)).await.len(), 2);
    let state = scene.state(&lease).await;
    assert_eq!((state.dead_letters, state.collection_dead_letters), (4, 6));
    // One that comes back finds its keys as they were.
    assert_eq!(scene.state_of(&lease, "http-2").await.poisoned.len(), 2);
    scene
        .store()
        .forget(&subscription("orders", "http-2"))
        .await
        .unwrap();
    assert_eq!(scene.purge(&LetterSelection::default()).await, 6);
    let state = scene.state_of(&lease, "http-2").await;
    assert!(state.is_new && state.poisoned.is_empty());
    assert_eq!((state.dead_letters, state.collection_dead_letters), (0, 0));
}

pub async fn a_record_that_cannot_be_sent_stays_so<H: StoreHarness>(mut scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    let name = collection("orders");
    let faulty = |n| {
        let record = record(&name, n, "a");
        std::sync::Arc::new((*record).clone().with_fault("larger than \"16 MB\""))
    };
    let mut first = commit(&lease, 1);
    first.parked = vec![
        retry_parked(1, &faulty(1), WallTime::from_millis(9000)),
        retry_parked(2, &record(&name, 2, "a"), WallTime::from_millis(9000)),
    ];
    first.dead = vec![dead(&faulty(3)), dead(&record(&name, 4, "a"))];
    scene.commit(&first).await;
    scene.reopen().await;
    let waiting = scene
        .store()
        .waiting(&orders(), &[RetryId(1), RetryId(2)])
        .await
        .unwrap();
    let waiting: Vec<_> = waiting
        .iter()
        .flatten()
        .map(|found| found.record.fault())
        .collect();
    let letters = scene.letters(&LetterSelection::default()).await;
    let letters: Vec<_> = letters.iter().map(|letter| letter.record.fault()).collect();
    for faults in [waiting, letters] {
        assert_eq!(faults, [Some("larger than \"16 MB\""), None]);
    }
}
