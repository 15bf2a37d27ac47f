//! The steps that the tests of Redis are told in.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, cmd};

use conduit_core::{
    Advance, Commit, DeadLetter, Lease, OpenRequest, Opened, ParkedRecord, ProcessedId, Rewind, StateStore,
    SubscriptionId, SubscriptionStart, WallTime, WorkerId,
};
use conduit_state::RedisStore;
use conduit_testkit::servers::RedisServer;
use conduit_testkit::store_suite::{at, collection, destination, record, retry_parked, stored_position};

pub(crate) fn users() -> SubscriptionId {
    SubscriptionId {
        collection: collection("users"),
        destination: destination("http-1"),
    }
}

pub(crate) fn request(worker: &str) -> OpenRequest {
    OpenRequest {
        collection: users().collection,
        worker: WorkerId::new(worker),
        lease_time: Duration::from_secs(60),
        evict: None,
        last_epoch: 0,
        subscriptions: vec![
            SubscriptionStart {
                destination: destination("http-1"),
                start: at(0),
                life: at(0),
                rewind: Rewind::default(),
            },
            SubscriptionStart {
                destination: destination("http-2"),
                start: at(0),
                life: at(0),
                rewind: Rewind::default(),
            },
        ],
    }
}

pub(crate) async fn take(store: &RedisStore) -> Lease {
    match store.open(&request("w1")).await.unwrap() {
        Opened::Taken { lease, .. } => lease,
        held @ Opened::Held { .. } => panic!("{held:?}"),
    }
}

/// A commit with something of everything in it.
pub(crate) fn full(lease: &Lease) -> Commit {
    let name = users().collection;
    let mut commit = Commit::new(users(), lease.clone(), 1);
    let from = conduit_core::Position::at_time(at(0));
    commit.advance = Some(Advance {
        from,
        to: stored_position(3),
    });
    commit.settled_ahead = vec![record(&name, 9, "a").sequence().clone()];
    commit.processed = vec![ProcessedId::of(&record(&name, 1, "a"))];
    let behind = ParkedRecord {
        due: None,
        ..retry_parked(2, &record(&name, 5, "b"), WallTime::from_millis(9000))
    };
    commit.parked = vec![
        retry_parked(1, &record(&name, 4, "b"), WallTime::from_millis(9000)),
        behind,
    ];
    let at = WallTime::from_millis(1_700_000_000_123);
    let last_error = "refused".to_owned();
    let record = record(&name, 2, "c");
    commit.dead = vec![DeadLetter {
        record,
        attempts: 1,
        first_attempt: at,
        last_attempt: at,
        last_error,
        stale: false,
    }];
    commit
}

pub(crate) async fn connect(server: &RedisServer) -> MultiplexedConnection {
    redis::Client::open(server.uri())
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap()
}

pub(crate) async fn ask<T: FromRedisValue>(server: &RedisServer, words: &[&str]) -> T {
    let mut command = cmd(words[0]);
    words[1..].iter().for_each(|word| {
        command.arg(*word);
    });
    command.query_async(&mut connect(server).await).await.unwrap()
}
