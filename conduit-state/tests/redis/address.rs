//! Which servers are taken.

use conduit_core::{StateErrorKind, StateStore};
use conduit_state::{RedisSettings, RedisStore};
use conduit_testkit::servers::RedisServer;

use crate::scene::ask;

#[tokio::test]
async fn a_bad_uri_is_refused_in_the_words_of_the_contract() {
    let message = |uri: &str| {
        let error = RedisStore::connect(uri, RedisSettings::default()).unwrap_err();
        assert_eq!(error.kind(), StateErrorKind::Invalid);
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        error.message().to_owned()
    };
    assert_eq!(
        message("http://a:s3cret@b"),
        "parse redis URI: invalid redis URL scheme: http"
    );
    assert_eq!(message("s3cret@b"), "parse redis URI: invalid redis URL scheme: ");
    assert_eq!(
        message("redis://u:s3cret@h/x"),
        "parse redis URI: invalid database number"
    );
    for uri in [
        "redis://:s3cret@",
        "redis://u:s3cret@h:99999",
        "redis://u:s3cret@h?protocol=s3cret",
    ] {
        assert!(message(uri).starts_with("parse redis URI: "));
    }
    let store = RedisStore::connect("redis://u:s3cret@127.0.0.1:1/2", RedisSettings::default()).unwrap();
    assert!(!format!("{store:?}").contains("s3cret"), "{store:?}");
    let error = store.ping().await.unwrap_err();
    assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
}

#[tokio::test]
async fn a_password_is_used_and_a_wrong_one_is_unavailable_without_being_told() {
    let server = RedisServer::start_with(None, &["--requirepass", "s3cret"])
        .await
        .unwrap();
    let uri = |password: &str| format!("redis://:{password}@127.0.0.1:{}/3", server.port());
    RedisStore::connect(&uri("s3cret"), RedisSettings::default())
        .unwrap()
        .ping()
        .await
        .unwrap();
    for uri in [uri("s3cret-wrong"), server.uri()] {
        let error = RedisStore::connect(&uri, RedisSettings::default())
            .unwrap()
            .ping()
            .await
            .unwrap_err();
        assert_eq!(error.kind(), StateErrorKind::Unavailable);
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }
}

#[tokio::test]
async fn a_redis_that_may_evict_any_key_is_refused() {
    let server = RedisServer::start_with(None, &["--maxmemory-policy", "allkeys-lru"])
        .await
        .unwrap();
    let store = RedisStore::connect(&server.uri(), RedisSettings::default()).unwrap();
    let error = store.check().await.unwrap_err();
    assert_eq!(error.kind(), StateErrorKind::Invalid);
    assert!(error.message().contains("maxmemory-policy"), "{error}");
    ask::<()>(&server, &["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    store.check().await.unwrap();
}
