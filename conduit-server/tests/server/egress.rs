//! Where requests may go.

use std::net::ToSocketAddrs;

use conduit_testkit::receiver::Receiver;
use serde_json::{Value, json};

use crate::harness::{Api, World, insert, streaming};

const PUBLIC: [(&str, &str); 1] = [("CONDUIT_EGRESS", "public")];

/// The destinations that take an endpoint, with this one.
fn at(endpoint: &str) -> [Value; 3] {
    [
        json!({"type": "http", "endpoint": endpoint}),
        json!({"type": "meilisearch", "endpoint": endpoint}),
        json!({"type": "eventbridge", "endpoint": endpoint, "region": "us-east-1", "event_bus_name": "b"}),
    ]
}

async fn assert_refused(api: &Api, host: &str) {
    for destination in at(&format!("http://{host}:8080/x")) {
        let kind = destination["type"].clone();
        let body = json!({"collection_name": "c", "destinations": [destination]});
        let answer = api.expect(400, "POST", "/api/collections", Some(body)).await;
        assert_eq!(answer["errors"].as_array().unwrap().len(), 1, "{answer}");
        assert_eq!(
            answer["errors"][0]["field"], "destinations[0].endpoint",
            "{kind} {host}"
        );
    }
}

/// A name other than `localhost` that this machine resolves to a loopback address of IPv4.
fn loopback_name() -> Option<String> {
    let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let names = hosts
        .lines()
        .filter(|line| line.starts_with("127."))
        .flat_map(str::split_whitespace);
    let mut names = names.chain([own.trim()]).filter(|name| {
        let is_address = name.starts_with("127.");
        let is_known = *name == "localhost" || name.ends_with(".localhost");
        !name.is_empty() && !is_address && !is_known
    });
    let is_loopback = |name: &&str| {
        let addresses = (*name, 80)
            .to_socket_addrs()
            .ok()
            .map(Iterator::collect::<Vec<_>>);
        addresses.is_some_and(|all| !all.is_empty() && all.iter().all(|address| address.ip().is_loopback()))
    };
    names.find(is_loopback).map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_addresses_are_refused_in_every_spelling_and_mode() {
    let world = World::new().await;
    for variables in [&[][..], &PUBLIC] {
        let server = world.start_with("api", variables).await;
        for host in [
            "169.254.169.254",
            "2852039166",
            "0xa9fea9fe",
            "0xa9.254.0xa9fe",
            "0251.0376.0251.0376",
            "[::ffff:169.254.169.254]",
            "[::ffff:a9fe:a9fe]",
            "[64:ff9b::a9fe:a9fe]",
            "[fd00:ec2::254]",
            "[fe80::1]",
            "169.254.170.2",
            "100.100.100.200",
            "metadata.google.internal",
            "METADATA.google.internal.",
        ] {
            assert_refused(&server.api, host).await;
        }
        assert_eq!(server.api.get("/api/collections").await, json!([]));
        server.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn private_and_loopback_endpoints_are_refused_where_only_public_ones_are_allowed() {
    let world = World::new().await;
    let server = world.start_with("api", &PUBLIC).await;
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[fc00::1]",
        "localhost",
        "LocalHost.",
        "a.localhost",
    ] {
        assert_refused(&server.api, host).await;
    }
    for (number, host) in ["example.com", "8.8.8.8"].into_iter().enumerate() {
        for (index, destination) in at(&format!("https://{host}/x")).into_iter().enumerate() {
            let name = format!("c{index}-{number}");
            server
                .api
                .create(json!({"collection_name": name, "destinations": [destination]}))
                .await;
        }
    }
    server.kill().await;
    let (status, log) = world.spawn("api", &[("CONDUIT_EGRESS", "private")]).ended().await;
    assert_eq!((status.code(), log.lines().count()), (Some(1), 1), "{log}");
    assert!(
        log.starts_with("FATAL: ") && log.contains("CONDUIT_EGRESS"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_this_machine_gets_no_request_where_only_public_ones_are_allowed() {
    let Some(name) = loopback_name() else {
        eprintln!("skipped: this machine has no name of its own with a loopback address");
        return;
    };
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let endpoint = format!("http://{name}:{}/", receiver.address().port());
    let server = world.start_with("run", &PUBLIC).await;
    let mut body = streaming("orders", &receiver);
    body["destinations"][0]["endpoint"] = json!(endpoint);
    server.api.create(body).await;
    // A handful of records would take their retries; so many say that it is the destination.
    for number in 0..50 {
        insert(&world.collection("orders"), &format!("o{number}"), number).await;
    }
    let status = server
        .api
        .until_status("orders", "d", |status| {
            status["state"] == "holding" && status["last_error"].is_string()
        })
        .await;
    let said = status["last_error"].as_str().unwrap();
    assert!(
        said.contains(&name) && said.contains("only public ones are allowed"),
        "{said}"
    );
    assert!(
        !said.contains("127.0.0"),
        "what the name server knows is not told: {said}"
    );
    assert_eq!(
        (&status["dlq_length"], &status["delivered"]),
        (&json!(0), &json!(0))
    );
    assert!(server.stop().await.success());
    assert_eq!(receiver.received().len(), 0);
    // The records waited, and the same name is reached where anything goes.
    let server = world.start("run").await;
    receiver.wait_for(1).await;
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_was_allowed_before_gets_nothing_once_it_is_not() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let server = world.start("run").await;
    let mut body = streaming("orders", &receiver);
    let other = json!({"id": "other", "type": "stdout"});
    body["destinations"].as_array_mut().unwrap().push(other);
    server.api.create(body).await;
    let orders = world.collection("orders");
    insert(&orders, "a", 1).await;
    receiver.wait_for(1).await;
    assert!(server.stop().await.success());
    let server = world.start_with("run", &PUBLIC).await;
    insert(&orders, "b", 1).await;
    let says = |status: &Value| {
        ["reason", "last_error"].iter().any(|name| {
            status[name]
                .as_str()
                .is_some_and(|text| text.contains("127.0.0.1"))
        })
    };
    let status = server.api.until_status("orders", "d", says).await;
    assert_eq!(status["state"], "halted", "{status}");
    assert!(server.stop().await.success());
    assert_eq!(receiver.received().len(), 1);
    // Allowed again, it goes on where it stood.
    let server = world.start("run").await;
    let received = receiver.wait_for(2).await;
    assert_eq!(received[1].json()["keys"]["_id"], "b");
    assert!(server.stop().await.success());
}
