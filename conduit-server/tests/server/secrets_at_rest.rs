//! How destinations' secrets are stored, with keys, without, with others.

use bson::{Bson, Document, doc};
use conduit_testkit::receiver::Receiver;
use serde_json::{Value, json};

use crate::destinations::{ORDERS, until_settled, with};
use crate::harness::{World, insert};

const OLD: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const NEW: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
const TOKEN: &str = "hunter2-t0ken";
const HEADER: &str = "hunter2-h3ader";
const SIGNING: &str = "whsec_hunter2AAAAAAAAAAAAAAAAAAAAAAAAA";
const MASK: &str = "********";

fn secretive(receiver: &Receiver) -> Value {
    with(json!({
        "type": "http", "endpoint": receiver.url(), "bearer_token": TOKEN, "signing_secret": SIGNING,
        "headers": {"x-api-key": HEADER},
    }))
}

/// The collection's configuration as it lies in the database.
async fn stored(world: &World) -> Document {
    let entries = world.database.collection::<Document>("config.collections");
    entries.find_one(doc! { "_id": "orders" }).await.unwrap().unwrap()
}

fn is_encrypted(stored: &Document) -> bool {
    let text = stored.to_string();
    assert!(text.contains("bearer_token"), "{text}");
    match text.matches("conduit:sealed").count() {
        0 => false,
        3 => {
            assert!(!text.contains("hunter2"), "{text}");
            true
        }
        some => panic!("{some} of 3 secrets are encrypted: {text}"),
    }
}

fn shown_masked(shown: &Value) {
    let destination = &shown["destinations"][0];
    assert_eq!(destination["bearer_token"], MASK);
    assert_eq!(destination["headers"], json!({"x-api-key": MASK}));
    assert_eq!(destination["signing_secret"], json!([MASK]));
}

fn came_with_secrets(request: &conduit_testkit::receiver::Received) {
    assert_eq!(
        request.header("authorization"),
        Some(format!("Bearer {TOKEN}").as_str())
    );
    assert_eq!(request.header("x-api-key"), Some(HEADER));
    assert!(request.header("webhook-signature").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_whose_secrets_cannot_be_decrypted_rests_and_loses_nothing() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let server = world.start_with("run", &[("CONDUIT_SECRET_KEY", OLD)]).await;
    shown_masked(&server.api.create(secretive(&receiver)).await);
    assert!(is_encrypted(&stored(&world).await));
    let orders = world.collection("orders");
    insert(&orders, "a", 1).await;
    came_with_secrets(&receiver.wait_for(1).await[0]);
    until_settled(&server, 1).await;
    assert!(server.stop().await.success());
    for (number, variables) in [&[][..], &[("CONDUIT_SECRET_KEY", NEW)]].into_iter().enumerate() {
        let server = world.start_with("run", variables).await;
        let halted = server
            .api
            .until_status("orders", "d", |status| status["state"] == "halted")
            .await;
        let reason = halted["reason"].as_str().unwrap();
        assert!(
            reason.contains("bearer_token: ") && reason.contains("CONDUIT_SECRET_KEY"),
            "{reason}"
        );
        let shown = server.api.get(ORDERS).await;
        shown_masked(&shown);
        // It can be written, and still nobody needs to know the secrets.
        server.api.expect(200, "PUT", ORDERS, Some(shown)).await;
        shown_masked(
            &server
                .api
                .patch("orders", json!({"deletion_protection": false}))
                .await,
        );
        assert!(is_encrypted(&stored(&world).await));
        insert(&orders, &format!("waits-{number}"), 1).await;
        assert!(server.stop().await.success());
    }
    let server = world.start_with("run", &[("CONDUIT_SECRET_KEY", OLD)]).await;
    let received = receiver.wait_for(3).await;
    received.iter().for_each(|request| came_with_secrets(request));
    let mut ids: Vec<&str> = received
        .iter()
        .map(|request| request.json()["keys"]["_id"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, ["a", "waits-0", "waits-1"]);
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_that_are_stored_otherwise_are_encrypted_with_the_key_in_use_at_the_start() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let server = world.start("run").await;
    server.api.create(secretive(&receiver)).await;
    let plain = stored(&world).await;
    assert!(!is_encrypted(&plain));
    assert!(server.stop().await.success());
    let mut before: Bson = plain.get("config").cloned().unwrap();
    let orders = world.collection("orders");
    for (number, keys) in [OLD.to_owned(), format!("{NEW}, {OLD}"), NEW.to_owned()]
        .iter()
        .enumerate()
    {
        let server = world.start_with("run", &[("CONDUIT_SECRET_KEY", keys)]).await;
        let after = stored(&world).await;
        assert!(is_encrypted(&after));
        // Nobody's `version` is out of date for it, and what is encrypted with the key in use is left as it is.
        assert_eq!(after.get("version"), plain.get("version"));
        assert_eq!(after.get("config") == Some(&before), number == 2, "{keys}");
        before = after.get("config").cloned().unwrap();
        insert(&orders, &number.to_string(), 1).await;
        came_with_secrets(&receiver.wait_for(number + 1).await[number]);
        until_settled(&server, 1).await;
        assert!(server.stop().await.success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_encrypts_the_same_secrets_anew_restarts_nothing() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let server = world.start_with("run", &[("CONDUIT_SECRET_KEY", OLD)]).await;
    let shown = server.api.create(secretive(&receiver)).await;
    let orders = world.collection("orders");
    insert(&orders, "a", 1).await;
    let since = until_settled(&server, 1).await["since"].clone();
    let before = stored(&world).await;
    server.api.expect(200, "PUT", ORDERS, Some(shown)).await;
    let after = stored(&world).await;
    assert!(is_encrypted(&after) && before.get("config") != after.get("config"));
    // A change that the worker is seen to follow, of another destination: by then it has seen the other one too.
    let mut both = server.api.get(ORDERS).await;
    both["destinations"]
        .as_array_mut()
        .unwrap()
        .push(json!({"id": "e", "type": "http", "endpoint": format!("{}/e", receiver.url())}));
    server.api.expect(200, "PUT", ORDERS, Some(both)).await;
    server
        .api
        .until_status("orders", "e", |status| status["state"] == "streaming")
        .await;
    let status = server.api.until_status("orders", "d", |_| true).await;
    assert_eq!(
        (&status["since"], &status["state"]),
        (&since, &json!("streaming"))
    );
    assert!(server.stop().await.success());
}

/// Whoever can write to the database has no key, and moves what is encrypted to a destination of their own.
#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_secret_is_of_no_use_to_another_destination() {
    let world = World::new().await;
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    let key = [("CONDUIT_SECRET_KEY", OLD), ("SYNC_INTERVAL", "200ms")];
    let server = world.start_with("run", &key).await;
    server.api.create(secretive(&receiver)).await;
    let mut theirs = with(json!({"type": "http", "endpoint": elsewhere.url()}));
    theirs["collection_name"] = json!("theirs");
    server.api.create(theirs).await;
    let config = stored(&world).await.get_document("config").unwrap().clone();
    let settings = config.get_array("destinations").unwrap()[0]
        .as_document()
        .unwrap()
        .get_str("settings")
        .unwrap();
    let moved = settings.replace(&receiver.url(), &elsewhere.url());
    assert_ne!(moved, settings);
    let entries = world.database.collection::<Document>("config.collections");
    let update = doc! { "$set": { "config.destinations.0.settings": moved } };
    entries
        .update_one(doc! { "_id": "theirs" }, update)
        .await
        .unwrap();
    let halted = server
        .api
        .until_status("theirs", "d", |status| status["state"] == "halted")
        .await;
    assert!(halted["reason"].as_str().unwrap().contains("CONDUIT_SECRET_KEY"));
    assert!(server.stop().await.success());
    assert!(elsewhere.received().is_empty());
}
