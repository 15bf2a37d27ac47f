//! A server that is away, hangs, or does not do what it is asked.

use std::time::Duration;

use conduit_core::{Commit, StateErrorKind, StateStore};
use conduit_state::{RedisSettings, RedisStore};
use conduit_testkit::servers::RedisServer;

use crate::scene::{ask, full, take, users};

#[tokio::test]
async fn a_server_that_goes_away_and_comes_back_costs_waiting_only() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = RedisServer::start_in(directory.path()).await.unwrap();
    let store = RedisStore::connect(&server.uri(), RedisSettings::default()).unwrap();
    let lease = take(&store).await;
    let commit = full(&lease);
    store
        .commit(std::slice::from_ref(&commit))
        .await
        .remove(0)
        .unwrap();
    server.stop().await.unwrap();
    for _ in 0..2 {
        let answers = store.commit(&[commit.clone(), commit.clone()]).await;
        let kinds: Vec<_> = answers
            .iter()
            .map(|answer| answer.as_ref().unwrap_err().kind())
            .collect();
        assert_eq!(kinds, [StateErrorKind::Unavailable; 2]);
        assert_eq!(
            store.ping().await.unwrap_err().kind(),
            StateErrorKind::Unavailable
        );
    }
    server.restart().await.unwrap();
    store.ping().await.unwrap();
    let next = Commit::new(users(), lease.clone(), 2);
    let answers = store.commit(&[commit, next]).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

#[tokio::test]
async fn a_server_that_is_not_up_yet_is_no_error_of_connecting() {
    let mut server = RedisServer::start().await.unwrap();
    server.stop().await.unwrap();
    let store = RedisStore::connect(&server.uri(), RedisSettings::default()).unwrap();
    assert_eq!(
        store.ping().await.unwrap_err().kind(),
        StateErrorKind::Unavailable
    );
    assert_eq!(
        store.check().await.unwrap_err().kind(),
        StateErrorKind::Unavailable
    );
    server.restart().await.unwrap();
    store.check().await.unwrap();
}

#[tokio::test]
async fn a_server_that_hangs_is_unavailable_in_time_and_works_later() {
    let server = RedisServer::start().await.unwrap();
    let response_timeout = Duration::from_millis(200);
    let settings = RedisSettings {
        response_timeout,
        connect_timeout: response_timeout,
        ..RedisSettings::default()
    };
    let store = RedisStore::connect(&server.uri(), settings).unwrap();
    let lease = take(&store).await;
    let commit = full(&lease);
    ask::<()>(&server, &["CLIENT", "PAUSE", "1000"]).await;
    let mut times_away = 0;
    // The same commit again and again; the server also gets to see those that nobody waits for any more.
    while let Err(error) = store.commit(std::slice::from_ref(&commit)).await.remove(0) {
        assert_eq!(error.kind(), StateErrorKind::Unavailable, "{error}");
        times_away += 1;
    }
    assert!(times_away > 0, "the pause was not noticed");
    store
        .commit(&[Commit::new(users(), lease, 2)])
        .await
        .remove(0)
        .unwrap();
    assert_eq!(
        store
            .dead_letters(&users().collection, None, 10)
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_redis_that_is_full_or_read_only_is_unavailable_and_changes_nothing() {
    let server = RedisServer::start().await.unwrap();
    let store = RedisStore::connect(&server.uri(), RedisSettings::default()).unwrap();
    let lease = take(&store).await;
    for (option, on, off) in [("maxmemory", "1", "0"), ("min-replicas-to-write", "1", "0")] {
        ask::<()>(&server, &["CONFIG", "SET", option, on]).await;
        let error = store.commit(&[full(&lease)]).await.remove(0).unwrap_err();
        assert_eq!(error.kind(), StateErrorKind::Unavailable, "{option}: {error}");
        ask::<()>(&server, &["CONFIG", "SET", option, off]).await;
        let waiting: u64 = ask(&server, &["ZCARD", "cdc:retry:users"]).await;
        assert_eq!(waiting, 0, "{option}");
    }
    store.commit(&[full(&lease)]).await.remove(0).unwrap();
}

#[tokio::test]
async fn a_group_over_the_bytes_of_one_trip_is_sent_in_several() {
    let server = RedisServer::start().await.unwrap();
    let settings = RedisSettings {
        max_trip_bytes: 3000,
        ..RedisSettings::default()
    };
    let store = RedisStore::connect(&server.uri(), settings).unwrap();
    let lease = take(&store).await;
    let mut group = vec![full(&lease)];
    group.extend((2..50).map(|number| Commit::new(users(), lease.clone(), number)));
    let answers = store.commit(&group).await;
    assert!(
        answers.len() == 49 && answers.iter().all(Result::is_ok),
        "{answers:?}"
    );
}
