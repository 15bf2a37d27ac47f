use conduit_testkit::servers::{MongoServer, Topology};
use serde_json::json;

use crate::harness::{Server, World};

async fn fatal(world: &World, role: &str, variables: &[(&str, &str)]) -> String {
    let (status, log) = world.spawn(role, variables).ended().await;
    assert_eq!(status.code(), Some(1), "{log}");
    log
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_or_wrong_ends_the_process_with_one_line() {
    let world = World::new().await;
    for (role, variables, line) in [
        (
            "run",
            [("MONGODB_URI", "")],
            "FATAL: Required environment variable MONGODB_URI is not set\n",
        ),
        (
            "api",
            [("MONGODB_DATABASE", "")],
            "FATAL: Required environment variable MONGODB_DATABASE is not set\n",
        ),
        (
            "worker",
            [("REDIS_URI", "")],
            "FATAL: Required environment variable REDIS_URI is not set\n",
        ),
        (
            "worker",
            [("REDIS_URI", "http://127.0.0.1:1")],
            "FATAL: Failed to create worker: parse redis URI: invalid redis URL scheme: http\n",
        ),
        (
            "run",
            [("REDIS_URI", "amqp://user:hunter2@h")],
            "FATAL: Failed to create worker: parse redis URI: invalid redis URL scheme: amqp\n",
        ),
        (
            "api",
            [("REDIS_URI", "ftp://h")],
            "FATAL: Failed to create API: parse redis URI: invalid redis URL scheme: ftp\n",
        ),
    ] {
        assert_eq!(fatal(&world, role, &variables).await, line);
    }
    for variable in [
        ("CONDUIT_STATE", "embedded:x"),
        ("PORT", "http"),
        ("HOST", "0.0.0.0"),
    ] {
        let log = fatal(&world, "api", &[variable]).await;
        assert!(log.starts_with("FATAL: ") && log.lines().count() == 1, "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_may_evict_keys_is_refused() {
    let world = World::new().await;
    let client = redis::Client::open(world.redis.uri()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut set = redis::cmd("CONFIG");
    set.arg(&["SET", "maxmemory-policy", "allkeys-lru"]);
    set.query_async::<()>(&mut connection).await.unwrap();
    let log = fatal(&world, "run", &[]).await;
    assert!(
        log.contains("FATAL: Failed to create worker: ") && log.contains("maxmemory-policy"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_yet_is_waited_for() {
    let mut world = World::new().await;
    world.redis.stop().await.unwrap();
    let server = world.spawn("run", &[]);
    // The process lives and says what it waits for.
    let answer = loop {
        if let Ok((status, answer)) = server.api.try_call("GET", "/ready", None).await
            && answer["detail"]
                .as_str()
                .is_some_and(|detail| detail.contains("the state store:"))
        {
            break (status.as_u16(), answer);
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((answer.0, &answer.1["code"]), (503, &json!("not_ready")));
    assert_eq!(server.api.get("/health").await["state_store"]["state"], "down");
    world.redis.restart().await.unwrap();
    server.until_ready().await;
    assert_eq!(server.api.get("/health").await["state_store"]["state"], "up");
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_set_that_was_never_initiated_is_initiated_at_start() {
    let mongodb = MongoServer::start_as(Topology::Uninitiated).await;
    let world = World::on(&mongodb.uri()).await;
    let server = world.start("run").await;
    server
        .api
        .create(json!({"collection_name": "c", "stream_enabled": true}))
        .await;
    assert!(server.stop().await.success());
}

/// Waits until the server says that it is not ready, for this reason.
async fn until_obstacle(server: &Server, part: &str) {
    loop {
        if let Ok((_, answer)) = server.api.try_call("GET", "/ready", None).await
            && answer["detail"]
                .as_str()
                .is_some_and(|detail| detail.contains(part))
        {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standalone_mongodb_is_named_as_what_it_is() {
    let mongodb = MongoServer::start_as(Topology::Standalone).await;
    let world = World::on(&mongodb.uri()).await;
    let server = world.spawn("run", &[]);
    until_obstacle(&server, "standalone").await;
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_says_that_a_replica_set_is_not_initiated_and_that_it_is_ready_once_the_api_has_done_so() {
    let mongodb = MongoServer::start_as(Topology::Uninitiated).await;
    // Found by its address, not as a set, which the driver would not find yet.
    let uri = format!("mongodb://127.0.0.1:{}/?directConnection=true", mongodb.port());
    let world = World::on(&uri).await;
    let worker = world.spawn("worker", &[]);
    until_obstacle(&worker, "not initiated").await;
    assert!(!worker.log().contains("INFO ready"));
    let api = world.start("api").await;
    worker.until_ready().await;
    while !worker.log().contains("INFO ready") {
        tokio::task::yield_now().await;
    }
    assert!(worker.stop().await.success() && api.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_token_everything_but_the_probes_asks_for_it() {
    let world = World::new().await;
    let variables = [
        ("CONDUIT_API_TOKEN", "adm1n"),
        ("CONDUIT_API_READ_TOKEN", "r3ad"),
        ("HOST", "127.0.0.1"),
    ];
    let server = world.start_with("run", &variables).await;
    for path in ["/api/collections", "/api/status", "/metrics", "/nowhere"] {
        server.api.expect(401, "GET", path, None).await;
        server
            .api
            .with_token("wrong")
            .expect(401, "GET", path, None)
            .await;
    }
    let reader = server.api.with_token("r3ad");
    reader.get("/api/collections").await;
    let body = json!({"collection_name": "c"});
    reader
        .expect(403, "POST", "/api/collections", Some(body.clone()))
        .await;
    server.api.with_token("adm1n").create(body).await;
    assert!(!server.log().contains("adm1n"));
    server.kill().await;
}
