//! What is said of a stream before MongoDB overwrites what it needs.

use bson::doc;
use conduit_testkit::receiver::Receiver;
use conduit_testkit::servers::{MongoServer, Topology};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::{PATIENCE, Server, World, insert, streaming};

fn codes(status: &Value) -> Vec<&str> {
    let warnings = status["warnings"].as_array().unwrap();
    warnings
        .iter()
        .map(|warning| warning["code"].as_str().unwrap())
        .collect()
}

async fn metric(server: &Server, name: &str) -> Option<f64> {
    let (_, text) = server
        .api
        .try_text("GET", "/metrics", "", Vec::new())
        .await
        .unwrap();
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.rsplit_once(' ').unwrap().1.parse().ok()
}

const LEFT: &str = "conduit_history_seconds_left{collection=\"orders\",destination=\"d\"}";

#[tokio::test(flavor = "multi_thread")]
async fn history_that_gets_short_shows_before_it_is_lost_and_goes_when_the_stream_has_moved() {
    let mongodb = MongoServer::start_as(Topology::SmallOplog).await;
    let world = World::on(&mongodb.uri()).await;
    let receiver = Receiver::start().await;
    let server = world.start_with("run", &[("LOG_FORMAT", "json")]).await;
    server.api.create(streaming("orders", &receiver)).await;
    let orders = world.collection("orders");
    insert(&orders, "a", 1).await;
    receiver.wait_for(1).await;
    // An oplog of 16 MB with next to nothing in it holds a long time at this rate.
    let status = server
        .api
        .until_status("orders", "d", |status| status["history_seconds_left"].is_number())
        .await;
    assert!(status["history_seconds_left"].as_u64().unwrap() > 0, "{status}");
    assert_eq!(codes(&status), [""; 0], "{status}");
    assert!(metric(&server, LEFT).await.unwrap() > 0.0);
    assert!(metric(&server, "conduit_oplog_window_seconds").await.unwrap() > 0.0);
    assert_eq!(
        metric(&server, "conduit_stuck{collection=\"orders\",destination=\"d\"}").await,
        Some(0.0)
    );
    assert_eq!(
        metric(
            &server,
            "conduit_destination_state{collection=\"orders\",destination=\"d\",state=\"streaming\"}"
        )
        .await,
        Some(1.0)
    );

    server
        .api
        .expect(200, "POST", "/api/collections/orders/pause", None)
        .await;
    let padding = "x".repeat(1 << 20);
    let deadline = Instant::now() + PATIENCE;
    let short = loop {
        assert!(Instant::now() < deadline, "history is not short");
        let document = doc! {"padding": &padding};
        world.collection("elsewhere").insert_one(document).await.unwrap();
        let status = server.api.get("/api/collections/orders/status").await;
        let status = &status["destinations"][0];
        if !codes(status).is_empty() {
            break status.clone();
        }
    };
    assert_eq!(codes(&short), ["history_short"], "{short}");
    assert!(
        short["warnings"][0]["message"]
            .as_str()
            .unwrap()
            .contains("MongoDB"),
        "{short}"
    );
    // The log says it too, of this stream.
    let said = |text: &str| {
        let log = server.log();
        let lines = log.lines().filter(|line| line.contains(text));
        let lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.collect::<Vec<Value>>()
    };
    let deadline = Instant::now() + PATIENCE;
    while said("at the position").is_empty() {
        assert!(Instant::now() < deadline, "{}", server.log());
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let line = &said("at the position")[0];
    assert_eq!(
        (&line["collection"], &line["destination"]),
        (&json!("orders"), &json!("d"))
    );

    server
        .api
        .expect(
            202,
            "POST",
            "/api/collections/orders/rewind",
            Some(json!({"to": "now"})),
        )
        .await;
    server
        .api
        .expect(200, "POST", "/api/collections/orders/resume", None)
        .await;
    server
        .api
        .until_status("orders", "d", |status| {
            status["state"] == "streaming" && codes(status).is_empty()
        })
        .await;
    let deadline = Instant::now() + PATIENCE;
    while said("enough history again").is_empty() {
        assert!(Instant::now() < deadline, "{}", server.log());
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(said("at the position").len(), 1, "said once");
    server.kill().await;
}
