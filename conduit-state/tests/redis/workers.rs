//! What workers tell each other.

use std::time::Duration;

use conduit_core::WorkerId;
use conduit_state::{ConfigChange, RedisSettings, RedisStore};
use conduit_testkit::servers::RedisServer;

use crate::scene::{ask, users};

#[tokio::test]
async fn configuration_changes_are_heard_also_after_the_server_was_away() {
    let mut server = RedisServer::start().await.unwrap();
    let store = RedisStore::connect(&server.uri(), RedisSettings::default()).unwrap();
    let mut changes = store.subscribe_config_changes();
    assert_eq!(changes.next().await, ConfigChange::Unknown);
    store.publish_config_change(&users().collection).await.unwrap();
    assert_eq!(changes.next().await, ConfigChange::Of("users".into()));
    server.stop().await.unwrap();
    let (change, ()) = tokio::join!(changes.next(), async { server.restart().await.unwrap() });
    assert_eq!(change, ConfigChange::Unknown);
    ask::<()>(&server, &["PUBLISH", "cdc:config-change", "posts"]).await;
    assert_eq!(changes.next().await, ConfigChange::Of("posts".into()));
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
    let statuses = store.statuses().await.unwrap();
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
