use bson::doc;
use conduit_testkit::meilisearch::MeilisearchStub;
use conduit_testkit::receiver::{Answer, Receiver};
use serde_json::json;

use super::examined::Examined;
use super::tls_server::{Authority, TlsServer};
use crate::bus::{CREDENTIALS, REGION};
use crate::harness::World;

/// What EventBridge says of a bus that does not exist.
const NO_SUCH_BUS: &str =
    r#"{"__type": "ResourceNotFoundException", "message": "Event bus nowhere does not exist."}"#;

#[tokio::test(flavor = "multi_thread")]
async fn every_destination_that_cannot_be_used_is_found_with_its_cure() {
    // GIVEN a collection with a destination for each way in which one can be wrong, and some that are right.
    let world = World::new().await;
    let files = world.folder.path().join("files");
    std::fs::create_dir_all(files.join("a-folder.ndjson")).unwrap();
    let file_dir = files.to_str().unwrap();
    let server = world.start_with("api", &[("CONDUIT_FILE_DIR", file_dir)]).await;
    let (receiver, search, bus) = (
        Receiver::start().await,
        MeilisearchStub::start().await,
        Receiver::start().await,
    );
    bus.answer_with(|_| Answer::with_body(400, NO_SUCH_BUS));
    let (known, stranger) = (Authority::new(), Authority::new());
    let sound = TlsServer::start(&known, 2099).await;
    let expired = TlsServer::start(&known, 2021).await;
    let untrusted = TlsServer::start(&stranger, 2099).await;
    let authorities = world.folder.path().join("authorities.pem");
    known.write(&authorities);
    let http = |id: &str, url: String| json!({"id": id, "type": "http", "endpoint": url});
    server
        .api
        .create(json!({"collection_name": "orders", "stream_enabled": true, "destinations": [
            http("right", receiver.url()),
            http("encrypted", sound.url()),
            http("refused", "http://127.0.0.1:1/x?key=s3cret-in-a-query".to_owned()),
            http("unresolved", "http://no-such-host.invalid/".to_owned()),
            http("expired", expired.url()),
            http("untrusted", untrusted.url()),
            http("in-clear", receiver.url().replace("http://", "https://")),
            {"id": "bus", "type": "eventbridge", "event_bus_name": "nowhere", "region": REGION, "endpoint": bus.url()},
            {"id": "search", "type": "meilisearch", "endpoint": search.url(), "bearer_token": "s3cret-but-wrong"},
            {"id": "file", "type": "file", "path": "a-folder.ndjson"},
            {"id": "lines", "type": "file", "path": "to/come.ndjson"},
            {"id": "filtered", "type": "stdout", "filter_criteria": {"new_image": {"a": [1]}}},
        ]}))
        .await;
    // AND one whose filter somebody spoiled in the database.
    let spoilt = doc! { "$set": { "config.destinations.11.filter_criteria": "{\"new_image\": 1}" } };
    world
        .collection("config.collections")
        .update_one(doc! { "_id": "orders" }, spoilt)
        .await
        .unwrap();

    // WHEN
    let variables = [
        CREDENTIALS[0],
        CREDENTIALS[1],
        ("SSL_CERT_FILE", authorities.to_str().unwrap()),
        ("CONDUIT_FILE_DIR", file_dir),
    ];
    let examined = Examined::of(&world, &variables).await;

    // THEN
    let check = |id: &str| format!("destination orders/{id}");
    for id in ["right", "encrypted", "lines"] {
        assert_eq!(
            examined.check(&check(id))["verdict"],
            "ok",
            "{}",
            examined.check(&check(id))
        );
    }
    for (id, cure) in [
        ("refused", "Start the server at its endpoint"),
        ("unresolved", "Correct the host of its endpoint"),
        ("expired", "Renew the certificate"),
        ("untrusted", "Have a known authority sign the certificate"),
        ("in-clear", "https needs a server that speaks TLS"),
        ("bus", "aws events create-event-bus --name nowhere"),
        (
            "search",
            "Set bearer_token of the destination to a key of this server",
        ),
        ("file", "have no link or folder in place of the file"),
        ("filtered", "Correct filter_criteria of filtered"),
    ] {
        examined.expect(&check(id), "failed", cure);
    }
    let encrypted = examined.check(&check("encrypted"))["found"].as_str().unwrap();
    assert!(encrypted.contains("valid for"), "{encrypted}");
    assert!(!examined.text.contains("s3cret"), "{}", examined.text);
    // Nothing was sent, and nothing made.
    assert!(receiver.received().is_empty() && search.tasks().is_empty() && !files.join("to").exists());

    // AND under another policy, what it refuses.
    let examined = Examined::of(
        &world,
        &[&variables[..], &[("CONDUIT_EGRESS", "public")]].concat(),
    )
    .await;
    examined.expect(&check("right"), "failed", "CONDUIT_EGRESS=any");
    // AND without the folder, the files.
    let examined = Examined::of(&world, &[]).await;
    examined.expect(&check("lines"), "failed", "Correct the destination as it says");
    let found = examined.check(&check("lines"))["found"].as_str().unwrap();
    assert!(found.contains("set CONDUIT_FILE_DIR"), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_always_refused_is_found_where_somebody_wrote_it_into_the_database() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    let server = world.start("api").await;
    server
        .api
        .create(crate::harness::streaming("orders", &receiver))
        .await;
    let entries = world.collection("config.collections");
    let entry = entries.find_one(doc! { "_id": "orders" }).await.unwrap().unwrap();
    let config = entry.get_document("config").unwrap();
    let settings = config.get_array("destinations").unwrap()[0]
        .as_document()
        .unwrap();
    let settings = settings.get_str("settings").unwrap();
    let metadata = settings.replace(&receiver.url(), "http://169.254.169.254");
    assert_ne!(settings, metadata);
    let update = doc! { "$set": { "config.destinations.0.settings": metadata } };
    entries
        .update_one(doc! { "_id": "orders" }, update)
        .await
        .unwrap();
    let examined = Examined::of(&world, &[]).await;
    examined.expect(
        "destination orders/d",
        "failed",
        "Correct the destination as it says",
    );
    let found = examined.check("destination orders/d")["found"].as_str().unwrap();
    assert!(found.contains("always refused"), "{found}");
}
