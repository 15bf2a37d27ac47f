//! Random steps, done alike with the store in memory and with another one: both answer the same throughout.
#![cfg(all(feature = "memory", any(feature = "embedded", feature = "redis")))]
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use conduit_core::{
    Advance, Commit, Cured, DeadLetter, Lease, LetterSelection, OpenRequest, Opened, ParkedRecord, Position,
    ProcessedId, Record, RetryId, Rewind, Sequence, StateStore, StoredLetter, SubscriptionId,
    SubscriptionStart, SubscriptionState, WallTime, WorkerId,
};
use conduit_state::MemoryStore;
use conduit_testkit::store_suite::{at, collection, destination, record, retry_parked, stored_position};

const STEPS: usize = 300;
const COLLECTIONS: [&str; 2] = ["orders", "users"];
const DESTINATIONS: [&str; 3] = ["http-1", "http-2", "x"];

/// What the steps know: leases as each store gave them, and the last states.
#[derive(Default)]
struct World {
    /// The lease in memory and in the other store; epochs need not be the same.
    leases: Vec<(Lease, Lease)>,
    states: Vec<(SubscriptionId, SubscriptionState)>,
    sent: Vec<(Commit, Lease)>,
    letters: Vec<(SubscriptionId, u64)>,
}

fn ids(letters: &[StoredLetter]) -> Vec<u64> {
    letters.iter().map(|letter| letter.id).collect()
}

fn subscription(rng: &mut Rng) -> SubscriptionId {
    SubscriptionId {
        collection: collection(rng.choice(COLLECTIONS).unwrap()),
        destination: destination(rng.choice(DESTINATIONS).unwrap()),
    }
}

fn starts(rng: &mut Rng) -> Vec<SubscriptionStart> {
    let life = if rng.u8(..10) == 0 { 1 } else { 0 };
    let generation = if rng.u8(..6) == 0 { rng.u64(..6) } else { 0 };
    let to = at(rng.u32(..30));
    let mut ids = DESTINATIONS.to_vec();
    ids.truncate(rng.usize(1..=3));
    ids.into_iter()
        .map(|id| SubscriptionStart {
            destination: destination(id),
            start: at(life),
            life: at(life),
            rewind: Rewind { generation, to },
        })
        .collect()
}

/// A commit that is right more often than not.
fn commit(rng: &mut Rng, world: &World) -> Option<(Commit, Lease)> {
    if !world.sent.is_empty() && rng.u8(..8) == 0 {
        return rng.choice(&world.sent).cloned();
    }
    let of = subscription(rng);
    let (lease, other) = world
        .leases
        .iter()
        .rev()
        .skip(usize::from(rng.u8(..12) == 0))
        .find(|(lease, _)| lease.collection == of.collection)?;
    let (_, state) = world.states.iter().rev().find(|(known, _)| *known == of)?;
    let number = if rng.u8(..12) == 0 {
        rng.u64(0..9)
    } else {
        state.last_commit + 1
    };
    let mut commit = Commit::new(of.clone(), lease.clone(), number);
    let is_wild = rng.u8(..12) == 0;
    let some = |rng: &mut Rng| (0..rng.u32(0..4)).map(|_| rng.u32(1..40)).collect::<Vec<_>>();
    let sequence = |n: u32| match n % 3 {
        0 => Sequence::whole(stored_position(n).token().unwrap()),
        1 => Sequence::pair(stored_position(n).token().unwrap()).0,
        _ => Sequence::pair(stored_position(n).token().unwrap()).1,
    };
    let record = |n: u32| record(&of.collection, n, &format!("key-{}", n % 7));
    commit.settled_ahead = some(rng).into_iter().map(sequence).collect();
    commit.processed = some(rng)
        .into_iter()
        .map(|n| ProcessedId::of(&record(n)))
        .collect();
    commit.parked = some(rng)
        .into_iter()
        .map(|n| parked(rng, u64::from(n), &record(n), state))
        .collect();
    commit.unparked = some(rng).into_iter().map(|n| RetryId(n.into())).collect();
    commit.cured = some(rng)
        .into_iter()
        .map(|n| Cured {
            key: record(n).key(),
            sequence: sequence(rng.u32(1..40)),
        })
        .collect();
    if rng.u8(..3) == 0 {
        let some_ids = some(rng).into_iter().map(u64::from);
        let known = |id: &u64| is_wild || world.letters.contains(&(of.clone(), *id));
        commit.redriven = some_ids.filter(known).collect();
    }
    let time = WallTime::from_millis(1_700_000_000_000);
    let is_stale = rng.u8(..5) == 0;
    let letter = |n| DeadLetter {
        stale: is_stale,
        record: if n % 11 == 0 {
            faulty(&record(n))
        } else {
            record(n)
        },
        attempts: n,
        first_attempt: time,
        last_attempt: time,
        last_error: "no".into(),
    };
    commit.dead = some(rng).into_iter().map(letter).collect();
    if rng.bool() {
        let from = if rng.u8(..12) == 0 {
            stored_position(rng.u32(..30))
        } else {
            state.position.clone()
        };
        let step = rng.u32(0..4);
        let reached = from.time().t - at(0).t;
        let to = if rng.u8(..9) == 0 {
            Position::at_time(at(reached + step))
        } else {
            stored_position(reached + step)
        };
        commit.advance = Some(Advance { from, to });
    }
    Some((commit, other.clone()))
}

fn parked(
    rng: &mut Rng,
    id: u64,
    record: &std::sync::Arc<conduit_core::Record>,
    state: &SubscriptionState,
) -> ParkedRecord {
    let due = rng.bool().then(|| WallTime::from_millis(rng.i64(0..10_000)));
    let known = state.waiting.iter().find(|waiting| waiting.id.0 == id);
    let is_known = known.is_some() || rng.u8(..20) == 0;
    let key = known.map_or(record.key(), |waiting| waiting.key);
    let fresh = retry_parked(id, record, WallTime::from_millis(5000));
    ParkedRecord {
        due,
        key,
        attempts: rng.u32(..9),
        record: fresh.record.clone().filter(|_| !is_known),
        ..fresh
    }
}

/// All that a store tells of a collection, without epochs.
async fn told(store: &dyn StateStore, lease: &Lease, starts: &[SubscriptionStart]) -> String {
    let name = &lease.collection;
    let mut text = match store.load(lease, starts).await {
        Ok(states) => format!("{states:?}\n"),
        Err(error) => format!("{:?}\n", error.kind()),
    };
    for id in DESTINATIONS {
        let of = SubscriptionId {
            collection: name.clone(),
            destination: destination(id),
        };
        let ids: Vec<_> = (0..40).map(RetryId).collect();
        let waiting = store.waiting(&of, &ids).await.unwrap();
        let bytes: Vec<_> = waiting
            .iter()
            .flatten()
            .map(|found| {
                (
                    found.record.json().clone(),
                    found.record.fault().map(str::to_owned),
                )
            })
            .collect();
        let processed: Vec<_> = (0..40).map(|n| ProcessedId::of(&record(name, n, "a"))).collect();
        let processed = store.processed(&of, &processed).await.unwrap();
        text.push_str(&format!(
            "{waiting:?} {bytes:?} {processed:?} {:?}\n",
            store.lengths(&[of]).await.unwrap()
        ));
    }
    let letters = store
        .letters(name, &LetterSelection::default(), None, 10_000)
        .await
        .unwrap();
    for letter in letters {
        let record = &letter.record;
        let (key, time, fault) = (record.key(), record.time(), record.fault());
        text.push_str(&format!(
            "{letter:?} {key} {time:?} {fault:?} {:?}\n",
            record.json()
        ));
    }
    text + &store.dead_letters(name, None, 10_000).await.unwrap().join("\n")
}

/// A selection of dead letters, wide or narrow.
fn selection(rng: &mut Rng) -> LetterSelection {
    let destination = rng.bool().then(|| subscription(rng).destination);
    let ids = (rng.u8(..4) > 0).then(|| (0..rng.u32(0..6)).map(|_| rng.u64(..60)).collect());
    LetterSelection { destination, ids }
}

fn faulty(record: &Record) -> Arc<Record> {
    Arc::new(record.clone().with_fault("too large"))
}

/// Takes random steps with both stores and compares their answers.
async fn compare(seed: u64, other: &dyn StateStore) {
    let memory = MemoryStore::new();
    let mut rng = Rng::with_seed(seed);
    let mut world = World::default();
    for step in 0..STEPS {
        let context = format!("seed {seed}, step {step}");
        match rng.u8(..20) {
            0..4 => open(&mut rng, &mut world, &memory, other, &context).await,
            4..16 => {
                let mut group: Vec<_> = (0..rng.usize(1..4))
                    .filter_map(|_| commit(&mut rng, &world))
                    .collect();
                let ours: Vec<_> = group.iter().map(|(commit, _)| commit.clone()).collect();
                let theirs = group.iter().map(|(commit, lease)| Commit {
                    lease: lease.clone(),
                    ..commit.clone()
                });
                let theirs = other.commit(&theirs.collect::<Vec<_>>()).await;
                let kind = |answer: &Result<(), conduit_core::StateError>| {
                    answer.as_ref().map_err(|error| error.kind()).copied()
                };
                let ours: Vec<_> = memory.commit(&ours).await.iter().map(kind).collect();
                assert_eq!(ours, theirs.iter().map(kind).collect::<Vec<_>>(), "{context}");
                world.sent.append(&mut group);
                let kept = world.sent.len().saturating_sub(5);
                world.sent.drain(..kept);
            }
            16 => {
                if let Some((ours, theirs)) = rng.choice(&world.leases) {
                    memory.release(ours).await.unwrap();
                    other.release(theirs).await.unwrap();
                }
            }
            17 => {
                let of = subscription(&mut rng);
                memory.forget(&of).await.unwrap();
                other.forget(&of).await.unwrap();
            }
            18 => {
                let (name, which) = (subscription(&mut rng).collection, selection(&mut rng));
                assert_eq!(
                    memory.purge_dead_letters(&name, &which).await.unwrap(),
                    other.purge_dead_letters(&name, &which).await.unwrap()
                );
            }
            19 => {
                let (name, which) = (subscription(&mut rng).collection, selection(&mut rng));
                let (after, limit) = (rng.bool().then(|| rng.u64(..40)), rng.usize(..9));
                assert_eq!(
                    ids(&memory.letters(&name, &which, after, limit).await.unwrap()),
                    ids(&other.letters(&name, &which, after, limit).await.unwrap()),
                    "{context}: {which:?} after {after:?}"
                );
            }
            _ => {}
        }
        let Some((ours, theirs)) = world.leases.last().cloned() else {
            continue;
        };
        let starts = DESTINATIONS.map(|id| SubscriptionStart {
            destination: destination(id),
            start: at(0),
            life: at(0),
            rewind: Rewind::default(),
        });
        assert_eq!(
            told(&memory, &ours, &starts).await,
            told(other, &theirs, &starts).await,
            "{context}"
        );
        let all = LetterSelection::default();
        let letters = memory
            .letters(&ours.collection, &all, None, 10_000)
            .await
            .unwrap();
        world.letters.retain(|(of, _)| of.collection != ours.collection);
        world.letters.extend(letters.into_iter().map(|letter| {
            let of = SubscriptionId {
                collection: ours.collection.clone(),
                destination: letter.destination,
            };
            (of, letter.id)
        }));
        if let Ok(states) = memory.load(&ours, &starts).await {
            for state in states {
                let of = SubscriptionId {
                    collection: ours.collection.clone(),
                    destination: state.destination.clone(),
                };
                world.states.push((of, state));
            }
            let kept = world.states.len().saturating_sub(20);
            world.states.drain(..kept);
        }
    }
}

async fn open(rng: &mut Rng, world: &mut World, memory: &MemoryStore, other: &dyn StateStore, context: &str) {
    let request = OpenRequest {
        collection: subscription(rng).collection,
        worker: WorkerId::new(*rng.choice(&["w1", "w1", "w1", "w2"]).unwrap()),
        lease_time: Duration::from_secs(600),
        evict: (rng.u8(..3) == 0).then(|| WorkerId::new("w1")),
        last_epoch: rng.u64(..100),
        subscriptions: starts(rng),
    };
    let answers = (
        memory.open(&request).await.unwrap(),
        other.open(&request).await.unwrap(),
    );
    match answers {
        (
            Opened::Taken {
                lease,
                states,
                others,
            },
            Opened::Taken {
                lease: theirs,
                states: their_states,
                others: mut their_others,
            },
        ) => {
            assert_eq!(format!("{states:?}"), format!("{their_states:?}"), "{context}");
            their_others.sort();
            assert_eq!(others, their_others, "{context}");
            world.leases.push((lease, theirs));
        }
        (Opened::Held { by, .. }, Opened::Held { by: their_by, .. }) => assert_eq!(by, their_by, "{context}"),
        (ours, theirs) => panic!("{context}: {ours:?} is not {theirs:?}"),
    }
}

#[cfg(feature = "embedded")]
#[tokio::test]
async fn the_store_in_a_file_answers_as_the_one_in_memory() {
    use conduit_state::{EmbeddedSettings, EmbeddedStore};
    for seed in 0..2 {
        let directory = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(directory.path().join("state"), EmbeddedSettings::default())
            .await
            .unwrap();
        compare(seed, &store).await;
    }
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn the_store_in_redis_answers_as_the_one_in_memory() {
    use conduit_state::{RedisSettings, RedisStore};
    for seed in 0..4 {
        let server = conduit_testkit::servers::RedisServer::start().await.unwrap();
        compare(
            seed,
            &RedisStore::connect(&server.uri(), RedisSettings::default()).unwrap(),
        )
        .await;
    }
}
