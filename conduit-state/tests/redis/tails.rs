//! Who follows records, and what they are told.

use conduit_state::{RedisSettings, RedisStore, Tail, TailNews};
use conduit_testkit::servers::RedisServer;
use conduit_testkit::store_suite::collection;

use crate::scene::{ask, users};

#[tokio::test]
async fn who_follows_counts_for_as_long_as_it_says_so_and_leaves_no_expiry() {
    let server = RedisServer::start().await.unwrap();
    let store = RedisStore::connect(&server.uri(), RedisSettings::default()).unwrap();
    let mut begun = store.subscribe_tails();
    begun.next().await;
    let users = users().collection;
    let first = store.put_tail(&users, None).await.unwrap();
    begun.next().await;
    let second = store.put_tail(&users, None).await.unwrap();
    begun.next().await;
    assert_ne!(first, second);
    let member = |id: &str| format!("{id}:users");
    // Both were silent for long, and one says that it follows still.
    for id in [&first, &second] {
        ask::<()>(&server, &["ZADD", "cdc:state:tails", "1000", &member(id)]).await;
    }
    assert_eq!(store.put_tail(&users, Some(&first)).await.unwrap(), first);
    let tail = Tail {
        id: first,
        collection: users,
    };
    assert_eq!(store.tails().await.unwrap(), [tail]);
    assert_eq!(ask::<u64>(&server, &["ZCARD", "cdc:state:tails"]).await, 1);
    for key in ["cdc:state:tails", "cdc:state:last-tail"] {
        assert_eq!(ask::<i64>(&server, &["TTL", key]).await, -1, "{key}");
    }
}

#[tokio::test]
async fn what_is_told_of_a_collection_is_heard_by_who_listens_to_it_also_after_the_server_was_away() {
    let mut server = RedisServer::start().await.unwrap();
    let store = RedisStore::connect(&server.uri(), RedisSettings::default()).unwrap();
    let (users, posts) = (users().collection, collection("posts"));
    let mut news = store.subscribe_tail(&users);
    assert_eq!(news.next().await, TailNews::Began);
    store.publish_to_tails(&posts, b"other").await.unwrap();
    store.publish_to_tails(&users, b"one\n\xff").await.unwrap();
    assert_eq!(news.next().await, TailNews::Published(b"one\n\xff".to_vec()));
    store.publish_config_change(&posts).await.unwrap();
    assert_eq!(news.next().await, TailNews::ConfigChange("posts".into()));
    server.stop().await.unwrap();
    let (heard, ()) = tokio::join!(news.next(), async { server.restart().await.unwrap() });
    assert_eq!(heard, TailNews::Began);
    // The connection that is told over broke too, and is made again.
    while store.publish_to_tails(&users, b"two").await.is_err() {}
    assert_eq!(news.next().await, TailNews::Published(b"two".to_vec()));
}
