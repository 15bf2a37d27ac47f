//! A server that is away, hangs, or does not do what it is asked.

use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

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
    let calls: String = ask(&server, &["INFO", "commandstats"]).await;
    let calls_of = |name: &str| -> u64 {
        let line = calls
            .lines()
            .find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls=")))
            .unwrap();
        line.split(',').next().unwrap().parse().unwrap()
    };
    // Each trip begins with the script itself; one was for the lease.
    let trips = calls_of("eval") - 1;
    assert!((3..40).contains(&trips), "{trips} trips");
    assert_eq!(trips + calls_of("evalsha"), 49);
}

/// Hands on what clients of its port send, until it is told to swallow it; connections made later work again.
struct Swallower {
    port: u16,
    swallow: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Swallower {
    async fn before(server: &RedisServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (swallow, swallows) = watch::channel(false);
        let target = server.port();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let mut swallows = swallows.clone();
                swallows.mark_unchanged();
                connections.spawn(async move {
                    let mut redis = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut redis) => {}
                        _ = swallows.changed() => std::future::pending().await,
                    }
                });
            }
        });
        Self { port, swallow, task }
    }
}

#[tokio::test]
async fn a_connection_that_went_silent_is_given_up_for_a_new_one() {
    let server = RedisServer::start().await.unwrap();
    let swallower = Swallower::before(&server).await;
    let response_timeout = Duration::from_millis(100);
    let settings = RedisSettings {
        response_timeout,
        ..RedisSettings::default()
    };
    let store = RedisStore::connect(&format!("redis://127.0.0.1:{}", swallower.port), settings).unwrap();
    let lease = take(&store).await;
    let commit = full(&lease);
    for is_commit in [false, true] {
        swallower.swallow.send(true).unwrap();
        tokio::task::yield_now().await;
        let error = match is_commit {
            true => store
                .commit(std::slice::from_ref(&commit))
                .await
                .remove(0)
                .unwrap_err(),
            false => store.ping().await.unwrap_err(),
        };
        assert_eq!(error.kind(), StateErrorKind::Unavailable);
        store.ping().await.unwrap();
    }
    store.commit(&[commit]).await.remove(0).unwrap();
    swallower.task.abort();
}
