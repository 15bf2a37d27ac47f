use conduit_testkit::servers::RedisServer;

use super::examined::Examined;
use crate::harness::World;

async fn with(options: &[&str]) -> World {
    let mut world = World::new().await;
    let folder = world.folder.path().join("other-redis");
    std::fs::create_dir(&folder).unwrap();
    world.redis = RedisServer::start_with(Some(&folder), options).await.unwrap();
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_may_throw_away_keys_is_to_throw_away_nothing() {
    let cure = "redis-cli config set maxmemory-policy noeviction";
    let examined = Examined::of(&with(&["--maxmemory-policy", "allkeys-lru"]).await, &[]).await;
    examined.expect("redis eviction", "failed", cure);
    let examined = Examined::of(&with(&["--maxmemory-policy", "volatile-lru"]).await, &[]).await;
    examined.expect("redis eviction", "warning", cure);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_keeps_nothing_or_snapshots_alone_is_to_write_an_append_only_file() {
    let cure = "redis-cli config set appendonly yes";
    let mut world = World::new().await;
    world.redis = RedisServer::start().await.unwrap();
    Examined::of(&world, &[])
        .await
        .expect("redis persistence", "failed", cure);
    let examined = Examined::of(&with(&["--appendonly", "no", "--save", "60 1"]).await, &[]).await;
    examined.expect("redis persistence", "warning", cure);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_wrong_or_missing_is_to_be_put_into_the_uri() {
    let world = with(&["--requirepass", "0pen-sesame"]).await;
    let port = world.redis.port();
    for wrong in [
        format!("redis://127.0.0.1:{port}"),
        format!("redis://:hunter2@127.0.0.1:{port}"),
    ] {
        let examined = Examined::of(&world, &[("REDIS_URI", &wrong)]).await;
        examined.expect("redis", "failed", "redis://:password@host:port");
        assert!(!examined.text.contains("hunter2"), "{}", examined.text);
    }
    let right = format!("redis://:0pen-sesame@127.0.0.1:{port}");
    let examined = Examined::of(&world, &[("REDIS_URI", &right)]).await;
    assert_eq!(examined.check("redis")["verdict"], "ok", "{}", examined.text);
    assert!(!examined.text.contains("0pen-sesame"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_not_there_a_replica_and_a_cluster_are_said() {
    let world = World::new().await;
    let examined = Examined::of(&world, &[("REDIS_URI", "redis://127.0.0.1:1")]).await;
    examined.expect("redis", "failed", "Start Redis, or correct REDIS_URI");
    let port = world.redis.port().to_string();
    let examined = Examined::of(&with(&["--replicaof", "127.0.0.1", &port]).await, &[]).await;
    examined.expect("redis version", "failed", "Set REDIS_URI to the primary");
    let examined = Examined::of(&with(&["--cluster-enabled", "yes"]).await, &[]).await;
    examined.expect("redis version", "failed", "without cluster-enabled");
}
