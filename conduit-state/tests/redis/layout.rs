//! The names, types and contents of keys.

use std::time::Duration;

use conduit_core::{Commit, Cured, LetterSelection, ProcessedId, StateErrorKind, StateStore};
use conduit_state::{Idempotency, RedisSettings, RedisStore};
use conduit_testkit::servers::RedisServer;
use conduit_testkit::store_suite::{destination, record, stored_position};

use crate::scene::{ask, full, request, take, users};

#[tokio::test]
async fn keys_have_the_names_types_and_expiries_of_the_contract() {
    let server = RedisServer::start().await.unwrap();
    let store = RedisStore::connect(&server.uri(), RedisSettings::default()).unwrap();
    let lease = take(&store).await;
    assert_eq!(ask::<u64>(&server, &["EXISTS", "cdc:resume:users"]).await, 1);
    store.commit(&[full(&lease)]).await.remove(0).unwrap();

    let processed: Vec<String> = ask(&server, &["KEYS", "cdc:processed:*:MODIFY:*"]).await;
    assert_eq!(
        processed,
        ["cdc:processed:users:MODIFY:1700000000001-event-1-http-1"]
    );
    let generation: String = ask(&server, &["GET", &processed[0]]).await;
    assert_eq!(generation, "0");
    let expiry: i64 = ask(&server, &["TTL", &processed[0]]).await;
    assert!((86_390..=86_400).contains(&expiry), "{expiry}");

    let types = [
        ("cdc:resume:users", "string"),
        ("cdc:resume:users:http-1", "string"),
        ("cdc:resume:users:http-2", "string"),
        ("cdc:retry:users", "zset"),
        ("cdc:dlq:users", "list"),
        ("cdc:lease:users", "hash"),
    ];
    for (key, expected) in types {
        let found: String = ask(&server, &["TYPE", key]).await;
        assert_eq!(found, expected, "{key}");
    }
    let all: Vec<String> = ask(&server, &["KEYS", "*"]).await;
    for key in all {
        let is_named = types.iter().any(|(name, _)| *name == key) || key == processed[0];
        assert!(
            is_named || key.starts_with("cdc:state:"),
            "{key} is not in the contract"
        );
        let expiry: i64 = ask(&server, &["TTL", &key]).await;
        assert!(key == processed[0] || expiry == -1, "{key} expires");
    }

    let waiting: Vec<(String, String)> =
        ask(&server, &["ZRANGE", "cdc:retry:users", "0", "-1", "WITHSCORES"]).await;
    let expected =
        [("http-1|1", "9000"), ("http-1|2", "inf")].map(|(id, due)| (id.to_owned(), due.to_owned()));
    assert_eq!(waiting, expected);
    let letters: Vec<String> = ask(&server, &["LRANGE", "cdc:dlq:users", "0", "-1"]).await;
    assert!(
        letters[0].starts_with(r#"{"id":1,"destination":"http-1","record":{"eventID":"event-2""#),
        "{letters:?}"
    );
    for worker in ["w1", ""] {
        let fields: Vec<String> = ask(&server, &["HMGET", "cdc:lease:users", "worker", "epoch"]).await;
        assert_eq!(fields, [worker.to_owned(), lease.epoch.to_string()]);
        store.release(&lease).await.unwrap();
    }
}

#[tokio::test]
async fn the_collections_position_is_the_oldest_of_its_destinations() {
    let server = RedisServer::start().await.unwrap();
    let store = RedisStore::connect(&server.uri(), RedisSettings::default()).unwrap();
    let lease = take(&store).await;
    let shown = async || -> serde_json::Value {
        let text: String = ask(&server, &["GET", "cdc:resume:users"]).await;
        serde_json::from_str(&text).unwrap()
    };
    let mut first = full(&lease);
    store.commit(&[first.clone()]).await.remove(0).unwrap();
    assert_eq!(shown().await["destination"], "http-2");
    first.subscription.destination = destination("http-2");
    first.advance.as_mut().unwrap().to = stored_position(4);
    store.commit(&[first]).await.remove(0).unwrap();
    let oldest = shown().await;
    assert_eq!(
        (&oldest["destination"], &oldest["v"], &oldest["epoch"]),
        (&"http-1".into(), &1.into(), &lease.epoch.into())
    );
    assert_eq!(oldest["token"], stored_position(3).token().unwrap());
    store.forget(&users()).await.unwrap();
    assert_eq!(shown().await["destination"], "http-2");
    store.forget_collection(&users().collection).await.unwrap();
    let left: Vec<String> = ask(&server, &["KEYS", "*users*"]).await;
    assert!(left.is_empty(), "{left:?}");
}

async fn purge_all(store: &RedisStore) -> u64 {
    let all = LetterSelection::default();
    store.purge_dead_letters(&users().collection, &all).await.unwrap()
}

#[tokio::test]
async fn nothing_of_a_forgotten_collection_comes_back_with_what_arrives_late() {
    let server = RedisServer::start().await.unwrap();
    let store = RedisStore::connect(&server.uri(), RedisSettings::default()).unwrap();
    let lease = take(&store).await;
    store.commit(&[full(&lease)]).await.remove(0).unwrap();
    store.forget_collection(&users().collection).await.unwrap();
    let minute = Duration::from_secs(60);
    assert!(store.renew(std::slice::from_ref(&lease), minute).await.unwrap()[0].is_err());
    store.release(&lease).await.unwrap();
    assert!(store.load(&lease, &request("w1").subscriptions).await.is_err());
    assert!(store.commit(&[full(&lease)]).await.remove(0).is_err());
    store.forget(&users()).await.unwrap();
    assert_eq!(purge_all(&store).await, 0);
    let left: Vec<String> = ask(&server, &["KEYS", "*users*"]).await;
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_key_of_another_type_or_version_is_corrupt_and_nothing_is_written() {
    let server = RedisServer::start().await.unwrap();
    let store = RedisStore::connect(&server.uri(), RedisSettings::default()).unwrap();
    let lease = take(&store).await;
    let position: String = ask(&server, &["GET", "cdc:resume:users:http-1"]).await;
    ask::<()>(&server, &["SADD", "cdc:dlq:users", "x"]).await;
    let error = store.commit(&[full(&lease)]).await.remove(0).unwrap_err();
    assert_eq!(error.kind(), StateErrorKind::Corrupt);
    assert!(error.message().contains("cdc:dlq:users"), "{error}");
    assert_eq!(
        ask::<String>(&server, &["GET", "cdc:resume:users:http-1"]).await,
        position
    );
    assert_eq!(ask::<u64>(&server, &["EXISTS", "cdc:retry:users"]).await, 0);
    ask::<()>(&server, &["DEL", "cdc:dlq:users"]).await;
    for bad in ["{", "[]", r#"{"v":2}"#, &position.replace("\"v\":1", "\"v\":2")] {
        ask::<()>(&server, &["SET", "cdc:resume:users:http-1", bad]).await;
        let error = store.commit(&[full(&lease)]).await.remove(0).unwrap_err();
        assert_eq!(error.kind(), StateErrorKind::Corrupt, "{bad}");
        let error = store.open(&request("w1")).await.unwrap_err();
        assert_eq!(error.kind(), StateErrorKind::Corrupt, "{bad}");
        let epoch: String = ask(&server, &["HGET", "cdc:lease:users", "epoch"]).await;
        assert_eq!(epoch, lease.epoch.to_string(), "the lease was taken all the same");
    }
}

/// Such a commit asks only for what it writes.
#[tokio::test]
async fn a_commit_of_deliveries_alone_finds_each_key_of_another_type_that_it_would_write() {
    let server = RedisServer::start().await.unwrap();
    let store = RedisStore::connect(&server.uri(), RedisSettings::default()).unwrap();
    let lease = take(&store).await;
    let mut commit = full(&lease);
    commit.parked.clear();
    commit.dead.clear();
    let position: String = ask(&server, &["GET", "cdc:resume:users:http-1"]).await;
    for key in [
        "cdc:lease:users",
        "cdc:state:ahead:users:http-1",
        "cdc:state:positions:users",
        "cdc:state:processed",
    ] {
        let was_there: u64 = ask(&server, &["EXISTS", key]).await;
        if was_there == 1 {
            ask::<()>(&server, &["RENAME", key, "kept"]).await;
        }
        ask::<()>(&server, &["SADD", key, "x"]).await;
        let error = store.commit(std::slice::from_ref(&commit)).await.remove(0);
        let error = error.unwrap_err();
        assert_eq!(error.kind(), StateErrorKind::Corrupt);
        assert!(error.message().contains(key), "{error}");
        let stored: String = ask(&server, &["GET", "cdc:resume:users:http-1"]).await;
        assert_eq!(stored, position, "{key}");
        ask::<()>(&server, &["DEL", key]).await;
        if was_there == 1 {
            ask::<()>(&server, &["RENAME", "kept", key]).await;
        }
    }
    store.commit(&[commit]).await.remove(0).unwrap();
}

#[tokio::test]
async fn processed_keys_are_written_up_to_the_cap_and_not_at_all_by_watermark() {
    let server = RedisServer::start().await.unwrap();
    let capped = Idempotency::Keys { max_keys: 6 };
    let mut number = 0;
    for (idempotency, first, expected) in [(Idempotency::Watermark, 0, 0), (capped, 4, 4), (capped, 8, 4)] {
        let settings = RedisSettings {
            idempotency,
            ..RedisSettings::default()
        };
        let store = RedisStore::connect(&server.uri(), settings).unwrap();
        let lease = take(&store).await;
        number += 1;
        let mut commit = Commit::new(users(), lease, number);
        let ids = first..first + 4;
        commit.processed = ids
            .map(|n| ProcessedId::of(&record(&users().collection, n, "a")))
            .collect();
        store.commit(&[commit]).await.remove(0).unwrap();
        let keys: Vec<String> = ask(&server, &["KEYS", "cdc:processed:*"]).await;
        assert_eq!(keys.len(), expected, "{idempotency:?} from {first}");
    }
}

#[tokio::test]
async fn nothing_is_kept_of_dead_letters_that_are_gone() {
    let server = RedisServer::start().await.unwrap();
    let store = RedisStore::connect(&server.uri(), RedisSettings::default()).unwrap();
    let lease = take(&store).await;
    let kept = async || -> Vec<String> {
        let mut keys: Vec<String> = ask(&server, &["KEYS", "cdc:*:users*"]).await;
        let of_letters = [
            "cdc:dlq:",
            "cdc:state:dead:",
            "cdc:state:letters:",
            "cdc:state:poisoned:",
        ];
        keys.retain(|key| of_letters.iter().any(|of| key.starts_with(of)));
        keys.sort();
        keys
    };
    let commit = full(&lease);
    let names = [
        "cdc:dlq:users",
        "cdc:state:dead:users",
        "cdc:state:letters:users:http-1",
        "cdc:state:poisoned:users:http-1",
    ];
    store
        .commit(std::slice::from_ref(&commit))
        .await
        .remove(0)
        .unwrap();
    assert_eq!(kept().await, names);
    let mut cure = Commit::new(users(), lease.clone(), 2);
    cure.cured = vec![Cured {
        key: commit.dead[0].record.key(),
        sequence: record(&users().collection, 3, "c").sequence().clone(),
    }];
    store.commit(&[cure]).await.remove(0).unwrap();
    assert_eq!(kept().await, names[..2]);
    let mut back = Commit::new(users(), lease, 3);
    back.redriven = vec![1];
    store.commit(&[back]).await.remove(0).unwrap();
    assert!(kept().await.is_empty());
    let counts: Vec<String> = ask(&server, &["HGETALL", "cdc:state:counts:users"]).await;
    assert_eq!(counts, ["last-dead", "1"]);
}
