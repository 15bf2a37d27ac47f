use bson::{Document, doc};
use conduit_testkit::servers::{MongoServer, Topology};
use mongodb::Client;
use tokio::time::Instant;

use super::examined::Examined;
use crate::harness::{PATIENCE, World};

async fn on(server: &MongoServer) -> World {
    World::on(&server.uri()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standalone_server_is_to_become_a_replica_set() {
    let server = MongoServer::start_as(Topology::Standalone).await;
    let examined = Examined::of(&on(&server).await, &[]).await;
    examined.expect("mongodb replica set", "failed", "--replSet rs0");
    examined.expect("mongodb replica set", "failed", "rs.initiate()");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_set_that_was_never_initiated_is_to_be() {
    let server = MongoServer::start_as(Topology::Uninitiated).await;
    let examined = Examined::of(&on(&server).await, &[]).await;
    let command = format!(
        "Run once: mongosh 'mongodb://127.0.0.1:{}/?directConnection=true' --eval 'rs.initiate()'",
        server.port()
    );
    examined.expect("mongodb replica set", "failed", &command);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_to_be_started() {
    let mut world = World::new().await;
    world.mongodb_uri = "mongodb://me:hunter2@127.0.0.1:1/".to_owned();
    let examined = Examined::of(&world, &[]).await;
    examined.expect(
        "mongodb",
        "failed",
        "Start MongoDB, or correct hosts and ports of MONGODB_URI",
    );
    assert!(!examined.text.contains("hunter2"), "{}", examined.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_user_may_not_do_is_to_be_granted() {
    // GIVEN a server that wants users, and one that may read and write, but not watch, nor change collections.
    let server = MongoServer::start_as(Topology::WithUsers).await;
    let mut world = on(&server).await;
    let shop = world.database.name().to_owned();
    let as_user = |name: &str, password: &str| {
        format!(
            "mongodb://{name}:{password}@127.0.0.1:{}/?replicaSet=conduit-test&authSource=admin",
            server.port()
        )
    };
    let run = async |uri: &str, command: Document| {
        let client = Client::with_uri_str(uri).await.unwrap();
        client.database("admin").run_command(command).await.unwrap();
    };
    run(
        &server.uri(),
        doc! { "createUser": "root", "pwd": "r00t-pw", "roles": ["root"] },
    )
    .await;
    let root = as_user("root", "r00t-pw");
    let actions = [
        "find",
        "insert",
        "update",
        "remove",
        "listCollections",
        "listIndexes",
    ];
    let privilege = doc! { "resource": { "db": &shop, "collection": "" }, "actions": actions.as_slice() };
    run(
        &root,
        doc! { "createRole": "clerk", "privileges": [privilege], "roles": [] },
    )
    .await;
    run(
        &root,
        doc! { "createUser": "conduit", "pwd": "c0nduit-pw", "roles": ["clerk"] },
    )
    .await;

    // WHEN it is examined as this user, THEN what is missing is named, with the command that grants it.
    world.mongodb_uri = as_user("conduit", "c0nduit-pw");
    let examined = Examined::of(&world, &[]).await;
    let grant = format!(
        "db.getSiblingDB(\"admin\").grantRolesToUser(\"conduit\", [{{role: \"readWrite\", db: \"{shop}\"}}, {{role: \
         \"dbAdmin\", db: \"{shop}\"}}"
    );
    examined.expect("mongodb rights", "failed", &grant);
    let found = examined.check("mongodb rights")["found"].as_str().unwrap();
    assert!(
        found.contains("changeStream") && found.contains("collMod"),
        "{found}"
    );
    examined.expect("mongodb history", "warning", "{role: \"read\", db: \"local\"}");
    assert!(!examined.text.contains("c0nduit-pw"));

    // AND with the roles that it names, nothing is missing any more.
    let roles = [
        doc! { "role": "readWrite", "db": &shop },
        doc! { "role": "dbAdmin", "db": &shop },
        doc! { "role": "read", "db": "local" },
        doc! { "role": "clusterMonitor", "db": "admin" },
    ];
    run(
        &root,
        doc! { "grantRolesToUser": "conduit", "roles": roles.as_slice() },
    )
    .await;
    let examined = Examined::of(&world, &[]).await;
    assert!(
        !examined.has("failed") && !examined.has("warning"),
        "{}",
        examined.text
    );

    // A wrong password, and none at all.
    world.mongodb_uri = as_user("conduit", "s0me-0ther");
    let examined = Examined::of(&world, &[]).await;
    examined.expect("mongodb", "failed", "authSource=admin");
    assert!(!examined.text.contains("s0me-0ther"));
    world.mongodb_uri = server.uri();
    let examined = Examined::of(&world, &[]).await;
    examined.expect(
        "mongodb rights",
        "failed",
        "Put user and password into MONGODB_URI",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oplog_that_reaches_back_less_than_a_day_is_to_be_kept_longer() {
    // GIVEN an oplog of 16 MB that is full.
    let server = MongoServer::start_as(Topology::SmallOplog).await;
    let world = on(&server).await;
    let examined = Examined::of(&world, &[]).await;
    assert_eq!(
        examined.check("mongodb history")["verdict"],
        "ok",
        "too young to tell"
    );
    let text = "x".repeat(1024 * 1024);
    for _ in 0..20 {
        world
            .collection("filler")
            .insert_one(doc! { "text": &text })
            .await
            .unwrap();
    }

    // THEN it is a warning, which the cure ends.
    let examined = Examined::of(&world, &[]).await;
    examined.expect(
        "mongodb history",
        "warning",
        "db.adminCommand({replSetResizeOplog: 1, minRetentionHours: 24})",
    );
    let admin = world.database.client().database("admin");
    admin
        .run_command(doc! { "replSetResizeOplog": 1, "minRetentionHours": 24.0 })
        .await
        .unwrap();
    let examined = Examined::of(&world, &[]).await;
    assert_eq!(
        examined.check("mongodb history")["verdict"],
        "ok",
        "{}",
        examined.text
    );
}

/// A primary, a secondary and an arbiter: with the secondary gone there is still a primary, and no majority has what it
/// writes.
#[tokio::test(flavor = "multi_thread")]
async fn an_arbiter_is_a_warning_and_a_set_without_a_majority_of_data_has_failed() {
    // GIVEN
    let mut members = Vec::new();
    for _ in 0..3 {
        members.push(MongoServer::start_as(Topology::Uninitiated).await);
    }
    let member = |id: i32| {
        let host = format!("127.0.0.1:{}", members[usize::try_from(id).unwrap()].port());
        doc! { "_id": id, "host": host, "arbiterOnly": id == 2, "priority": i32::from(id == 0) }
    };
    let settings = doc! { "electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500 };
    let config =
        doc! { "_id": "conduit-test", "members": [member(0), member(1), member(2)], "settings": settings };
    let direct = format!("mongodb://127.0.0.1:{}/?directConnection=true", members[0].port());
    let admin = Client::with_uri_str(&direct).await.unwrap().database("admin");
    admin
        .run_command(doc! { "replSetInitiate": config })
        .await
        .unwrap();
    let world = World::on(&format!(
        "mongodb://127.0.0.1:{}/?replicaSet=conduit-test",
        members[0].port()
    ))
    .await;
    let until = async |name: &str, verdict: &str| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let examined = Examined::of(&world, &[]).await;
            if examined.says(name, verdict) {
                return examined;
            }
            assert!(
                Instant::now() < deadline,
                "{name} is never {verdict}: {}",
                examined.text
            );
        }
    };

    // THEN, first with both, then with one of them.
    let name = "mongodb majority";
    let both = until(name, "warning").await;
    both.expect(name, "warning", "Replace the arbiter by a member that keeps data");
    members[1].kill();
    let one = until(name, "failed").await;
    one.expect(name, "failed", "Start the members that are down");
    // AND, without the arbiter too, there is no primary.
    members[2].kill();
    let name = "mongodb replica set";
    let alone = until(name, "failed").await;
    alone.expect(name, "failed", "Start the members that are not reachable");
}
