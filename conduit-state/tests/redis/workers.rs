//! What workers tell each other.

use std::time::Duration;

use conduit_core::WorkerId;
use conduit_state::{Announcement, AppendOnly, CommandFor, RedisSettings, RedisStore, WorkerStatus};
use conduit_testkit::servers::RedisServer;
use conduit_testkit::store_suite::collection;

use crate::scene::{ask, users};

#[tokio::test]
async fn configuration_changes_are_heard_also_after_the_server_was_away() {
    let mut server = RedisServer::start().await.unwrap();
    let store = RedisStore::connect(&server.uri(), RedisSettings::default()).unwrap();
    let mut changes = store.subscribe_announcements();
    assert_eq!(changes.next().await, Announcement::Unknown);
    store.publish_config_change(&users().collection).await.unwrap();
    assert_eq!(changes.next().await, Announcement::ConfigChange("users".into()));
    server.stop().await.unwrap();
    let (change, ()) = tokio::join!(changes.next(), async { server.restart().await.unwrap() });
    assert_eq!(change, Announcement::Unknown);
    ask::<()>(&server, &["PUBLISH", "cdc:config-change", "posts"]).await;
    assert_eq!(changes.next().await, Announcement::ConfigChange("posts".into()));
}

#[tokio::test]
async fn statuses_are_those_of_workers_that_spoke_lately() {
    let server = RedisServer::start().await.unwrap();
    let store = RedisStore::connect(&server.uri(), RedisSettings::default()).unwrap();
    let workers = ["w1", "w2", "w3"].map(WorkerId::new);
    for worker in &workers {
        store.put_status(worker, "{}").await.unwrap();
    }
    store.put_status(&workers[0], r#"{"n":1}"#).await.unwrap();
    store.drop_status(&workers[1]).await.unwrap();
    ask::<()>(&server, &["ZADD", "cdc:state:workers", "1000", "w3"]).await;
    // Who only looks sees the same, and drops nothing.
    let seen = store.peek_statuses().await.unwrap();
    let left: u64 = ask(&server, &["EXISTS", "cdc:state:status:w3"]).await;
    assert_eq!(left, 1);
    let statuses = store.statuses().await.unwrap();
    let words = |statuses: &[WorkerStatus]| -> Vec<(WorkerId, String)> {
        statuses
            .iter()
            .map(|one| (one.worker.clone(), one.status.clone()))
            .collect()
    };
    assert_eq!(words(&seen), words(&statuses));
    assert_eq!(statuses.len(), 1, "{statuses:?}");
    assert_eq!(
        (statuses[0].worker.as_str(), statuses[0].status.as_str()),
        ("w1", r#"{"n":1}"#)
    );
    assert!(statuses[0].age < Duration::from_secs(10));
    assert_eq!(
        ask::<u64>(&server, &["EXISTS", "cdc:state:status:w2", "cdc:state:status:w3"]).await,
        0
    );
}

#[tokio::test]
async fn a_command_is_claimed_once_by_whoever_holds_its_collection_and_answered_once() {
    let server = RedisServer::start().await.unwrap();
    let store = RedisStore::connect(&server.uri(), RedisSettings::default()).unwrap();
    let mut heard = store.subscribe_announcements();
    assert_eq!(heard.next().await, Announcement::Unknown);
    let (users, posts) = (users().collection, collection("posts"));
    let first = store
        .put_command(&users, CommandFor::Holder, "one")
        .await
        .unwrap();
    let second = store
        .put_command(&users, CommandFor::Holder, "two")
        .await
        .unwrap();
    assert_eq!(heard.next().await, Announcement::Command("users".into()));
    assert!(store.claim_commands(&[posts]).await.unwrap().is_empty());
    let both = [users];
    let (one, two) = tokio::join!(store.claim_commands(&both), store.claim_commands(&both));
    let claimed = [one.unwrap(), two.unwrap()].concat();
    let claimed: Vec<(&str, &str)> = claimed.iter().map(|c| (&*c.id, &*c.command)).collect();
    assert_eq!(claimed, [(&*first, "one"), (&*second, "two")]);
    assert!(!store.withdraw_command(&first).await.unwrap());
    assert_eq!(store.take_answer(&first).await.unwrap(), None);
    store.put_answer(&first, "7 of\n7").await.unwrap();
    assert_eq!(
        store.take_answer(&first).await.unwrap().as_deref(),
        Some("7 of\n7")
    );
    assert_eq!(store.take_answer(&first).await.unwrap(), None);
}

#[tokio::test]
async fn a_command_for_any_worker_is_claimed_once_by_one_that_holds_something_else_or_nothing() {
    let server = RedisServer::start().await.unwrap();
    let store = RedisStore::connect(&server.uri(), RedisSettings::default()).unwrap();
    let (users, posts) = (users().collection, collection("posts"));
    store
        .put_command(&users, CommandFor::Holder, "held")
        .await
        .unwrap();
    for held in [vec![posts], Vec::new()] {
        let id = store
            .put_command(&users, CommandFor::AnyWorker, "free")
            .await
            .unwrap();
        let claimed = store.claim_commands(&held).await.unwrap();
        let claimed: Vec<_> = claimed
            .iter()
            .map(|c| (&*c.id, &c.collection, &*c.command))
            .collect();
        assert_eq!(claimed, [(&*id, &users, "free")]);
        assert!(store.claim_commands(&held).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn commands_and_answers_that_nobody_wants_any_more_are_dropped_without_an_expiry() {
    let server = RedisServer::start().await.unwrap();
    let store = RedisStore::connect(&server.uri(), RedisSettings::default()).unwrap();
    let both = [users().collection];
    let withdrawn = store
        .put_command(&both[0], CommandFor::Holder, "withdrawn")
        .await
        .unwrap();
    assert!(store.withdraw_command(&withdrawn).await.unwrap());
    let old = r#"{"at":"1000","collection":"users","command":"old"}"#;
    ask::<()>(
        &server,
        &["HSET", "cdc:state:commands", "1000-9", old, "x", "not JSON"],
    )
    .await;
    ask::<()>(&server, &["HSET", "cdc:state:answers", "1000-8", "1000 old"]).await;
    store
        .put_command(&both[0], CommandFor::Holder, "lives")
        .await
        .unwrap();
    assert_eq!(ask::<i64>(&server, &["TTL", "cdc:state:commands"]).await, -1);
    let claimed = store.claim_commands(&both).await.unwrap();
    assert_eq!(claimed.len(), 1, "{claimed:?}");
    store.put_answer(&claimed[0].id, "done").await.unwrap();
    assert_eq!(ask::<u64>(&server, &["EXISTS", "cdc:state:commands"]).await, 0);
    assert_eq!(ask::<u64>(&server, &["HLEN", "cdc:state:answers"]).await, 1);
}

#[tokio::test]
async fn a_server_says_what_it_is_like() {
    let folder = tempfile::tempdir().unwrap();
    let options = ["--maxmemory-policy", "volatile-lru", "--maxmemory", "100mb"];
    let server = RedisServer::start_with(Some(folder.path()), &options)
        .await
        .unwrap();
    let store = RedisStore::connect(&server.uri(), RedisSettings::default()).unwrap();
    let report = store.report().await.unwrap();
    assert_eq!(report.is_new_enough(), Some(true));
    assert_eq!(report.role.as_deref(), Some("master"));
    assert_eq!(report.eviction.as_deref(), Some("volatile-lru"));
    assert_eq!(report.max_bytes, Some(100 * 1024 * 1024));
    assert_eq!(
        report.append_only,
        Some(AppendOnly::On(Some("everysec".to_owned())))
    );
    assert_eq!(report.takes_snapshots, Some(false));
    assert!(!report.is_failing_to_save);
}
