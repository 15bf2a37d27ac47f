//! Secrets that a destination names rather than holds.

use std::fs;
use std::path::PathBuf;

use conduit_testkit::receiver::{Answer, Receiver};
use serde_json::json;

use crate::destinations::{ORDERS, until_settled, with};
use crate::harness::{World, faulty_fields, insert};

const SIGNING: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

fn secrets_folder(world: &World) -> PathBuf {
    let folder = world.folder.path().join("secrets");
    fs::create_dir(&folder).unwrap();
    folder
}

/// The API runs where the secrets are not.
#[tokio::test(flavor = "multi_thread")]
async fn the_worker_sends_what_the_references_name_and_the_api_shows_the_names() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let folder = secrets_folder(&world);
    fs::write(folder.join("signing"), format!("{SIGNING}\n")).unwrap();
    fs::write(folder.join("tenant"), "t3nant").unwrap();
    let api = world.start("api").await;
    let body = with(json!({
        "type": "http", "endpoint": receiver.url(), "bearer_token": {"env": "CONDUIT_DEST_ORDERS"},
        "signing_secret": {"file": "signing"},
        "headers": {"x-tenant": {"file": "tenant"}, "x-plain": "pl4in"},
    }));
    let shown = api.api.create(body.clone()).await;
    let destination = &shown["destinations"][0];
    assert_eq!(
        destination["bearer_token"],
        body["destinations"][0]["bearer_token"]
    );
    assert_eq!(destination["signing_secret"], json!([{"file": "signing"}]));
    assert_eq!(
        destination["headers"],
        json!({"x-tenant": {"file": "tenant"}, "x-plain": "********"})
    );
    // Taken back as it is shown, and another secret kept.
    assert_eq!(
        api.api.expect(200, "PUT", ORDERS, Some(shown.clone())).await,
        shown
    );
    let variables = [
        ("CONDUIT_DEST_ORDERS", "t0ken"),
        ("CONDUIT_SECRETS_DIR", folder.to_str().unwrap()),
    ];
    let worker = world.start_with("worker", &variables).await;
    insert(&world.collection("orders"), "a", 1).await;
    let request = &receiver.wait_for(1).await[0];
    assert_eq!(request.header("authorization"), Some("Bearer t0ken"));
    assert_eq!(
        (request.header("x-tenant"), request.header("x-plain")),
        (Some("t3nant"), Some("pl4in"))
    );
    assert!(request.header("webhook-signature").is_some());
    until_settled(&api, 1).await;
    assert!(worker.stop().await.success() && api.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_whose_secret_is_missing_rests_until_it_is_there() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let folder = secrets_folder(&world);
    let variables = [
        ("CONDUIT_SECRETS_DIR", folder.to_str().unwrap()),
        ("SYNC_INTERVAL", "200ms"),
    ];
    let server = world.start_with("run", &variables).await;
    let body = with(json!({
        "type": "http", "endpoint": receiver.url(), "bearer_token": {"file": "token"},
        "headers": {"x-key": {"env": "CONDUIT_DEST_ABSENT"}},
    }));
    server.api.create(body.clone()).await;
    let is_halted = |status: &serde_json::Value| status["state"] == "halted";
    let reason = server.api.until_status("orders", "d", is_halted).await["reason"].to_string();
    for part in [
        "bearer_token: ",
        r#"\"token\""#,
        "headers.x-key: ",
        "CONDUIT_DEST_ABSENT is not set",
    ] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    insert(&world.collection("orders"), "a", 1).await;
    let mut without = body["destinations"].clone();
    without[0]["headers"] = json!(null);
    server
        .api
        .patch("orders", json!({ "destinations": without }))
        .await;
    let names_the_file_only = |status: &serde_json::Value| {
        let reason = status["reason"].as_str().unwrap_or_default();
        reason.contains("bearer_token") && !reason.contains("ABSENT")
    };
    server.api.until_status("orders", "d", names_the_file_only).await;
    fs::write(folder.join("token"), "t0ken").unwrap();
    let request = &receiver.wait_for(1).await[0];
    assert_eq!(request.header("authorization"), Some("Bearer t0ken"));
    until_settled(&server, 1).await;
    // Taken away again it rests again.
    fs::remove_file(folder.join("token")).unwrap();
    server.api.until_status("orders", "d", is_halted).await;
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_has_another_secret_by_now_is_noticed() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    receiver.answer_with(|request| match request.header("authorization") {
        Some("Bearer second") => Answer::Status(204),
        _ => Answer::Status(401),
    });
    let folder = secrets_folder(&world);
    fs::write(folder.join("token"), "first\n").unwrap();
    let variables = [
        ("CONDUIT_SECRETS_DIR", folder.to_str().unwrap()),
        ("SYNC_INTERVAL", "200ms"),
    ];
    let server = world.start_with("run", &variables).await;
    let body = json!({"type": "http", "endpoint": receiver.url(), "bearer_token": {"file": "token"}});
    server.api.create(with(body)).await;
    insert(&world.collection("orders"), "a", 1).await;
    receiver.wait_for(1).await;
    fs::write(folder.join("token.new"), "second\n").unwrap();
    fs::rename(folder.join("token.new"), folder.join("token")).unwrap();
    let received = receiver
        .wait_until(|received| received.iter().any(|request| request.is_acknowledged()))
        .await;
    assert_eq!(received[0].header("authorization"), Some("Bearer first"));
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_outside_of_the_limits_is_refused_without_being_repeated() {
    let world = World::new().await;
    let folder = secrets_folder(&world);
    let variables = [("CONDUIT_SECRETS_DIR", folder.to_str().unwrap())];
    let server = world.start_with("api", &variables).await;
    for reference in [
        json!({"env": "MONGODB_URI"}),
        json!({"env": "CONDUIT_SECRET_KEY"}),
        json!({"env": "CONDUIT_DEST_"}),
        json!({"env": "CONDUIT_DEST_hunter2 x"}),
        json!({"file": "../hunter2"}),
        json!({"file": "/etc/hunter2"}),
        json!({"file": "CONDUIT_DEST_A", "env": "hunter2"}),
        json!({"secret": "hunter2"}),
        json!({}),
    ] {
        for (field, value) in [
            ("bearer_token", reference.clone()),
            ("signing_secret", reference.clone()),
            ("signing_secret", json!([SIGNING, reference])),
            ("headers", json!({"x-key": reference})),
        ] {
            let mut body = with(json!({"type": "http", "endpoint": "http://127.0.0.1:9/"}));
            body["destinations"][0][field] = value;
            let answer = server
                .api
                .expect(400, "POST", "/api/collections", Some(body))
                .await;
            assert_eq!(
                faulty_fields(&answer),
                [format!("destinations[0].{field}")],
                "{answer}"
            );
            assert!(!answer.to_string().contains("hunter2"), "{answer}");
        }
    }
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_or_folder_ends_the_process_with_one_line() {
    let world = World::new().await;
    for (variable, value, cure) in [
        ("CONDUIT_SECRET_KEY", "hunter2", "openssl rand -base64 32"),
        ("CONDUIT_SECRETS_DIR", "/nowhere/hunter2", "a folder that exists"),
    ] {
        for role in ["run", "api", "worker"] {
            let (status, log) = world.spawn(role, &[(variable, value)]).ended().await;
            assert_eq!(status.code(), Some(1), "{log}");
            assert!(log.starts_with(&format!("FATAL: {variable} must be ")), "{log}");
            assert!(
                log.lines().count() == 1 && log.contains(cure) && !log.contains("hunter2"),
                "{log}"
            );
        }
    }
}
