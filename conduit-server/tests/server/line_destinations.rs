//! Records as lines: in files and on standard output.

use bson::doc;
use conduit_testkit::receiver::Ledger;
use serde_json::{Value, json};

use crate::destinations::{ORDERS, until_settled, with};
use crate::harness::{World, faulty_fields, insert};

#[tokio::test(flavor = "multi_thread")]
async fn files_are_written_only_where_the_server_may() {
    let world = World::new().await;
    let file = |path: &str| with(json!({"type": "file", "path": path}));
    let create = "/api/collections";
    // Neither without a folder.
    let server = world.start("run").await;
    let answer = server
        .api
        .expect(400, "POST", create, Some(file("orders.ndjson")))
        .await;
    assert_eq!(faulty_fields(&answer), ["destinations[0].type"]);
    assert!(answer.to_string().contains("CONDUIT_FILE_DIR"), "{answer}");
    assert!(server.stop().await.success());
    // Nor outside of it.
    let folder = world.folder.path().join("files");
    std::fs::create_dir(&folder).unwrap();
    let outside = world.folder.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, folder.join("link")).unwrap();
    let variables = [("CONDUIT_FILE_DIR", folder.to_str().unwrap())];
    let server = world.start_with("run", &variables).await;
    for path in [
        "../x",
        "a/../../x",
        "..",
        ".",
        "a/..",
        "/etc/x",
        "//x",
        "a//b",
        "a/",
        "a\u{0}b",
        "",
        "a\nb",
    ] {
        let answer = server.api.expect(400, "POST", create, Some(file(path))).await;
        assert_eq!(faulty_fields(&answer), ["destinations[0].path"], "{path:?}");
    }
    let answer = server
        .api
        .expect(400, "POST", create, Some(with(json!({"type": "file"}))))
        .await;
    assert_eq!(faulty_fields(&answer), ["destinations[0].path"]);
    // A link is followed nowhere, and the status says that it is in the way; the records wait.
    server.api.create(file("link/x")).await;
    let orders = world.collection("orders");
    // A handful of records would take their retries; so many say that it is the destination.
    for number in 0..50 {
        insert(&orders, &format!("o{number}"), number).await;
    }
    let status = server
        .api
        .until_status("orders", "d", |status| {
            status["state"] == "holding" && status["last_error"].is_string()
        })
        .await;
    assert_eq!(
        (&status["delivered"], &status["dlq_length"]),
        (&json!(0), &json!(0)),
        "{status}"
    );
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    server
        .api
        .patch(
            "orders",
            json!({"destinations": [{"id": "d", "type": "file", "path": "inside/x"}]}),
        )
        .await;
    until_settled(&server, 50).await;
    assert!(
        std::fs::read_to_string(folder.join("inside/x"))
            .unwrap()
            .ends_with("}\n")
    );
    assert!(server.stop().await.success());
    let log = world
        .spawn("run", &[("CONDUIT_FILE_DIR", "/nowhere/at/all")])
        .ended()
        .await
        .1;
    assert!(
        log.starts_with("FATAL: ") && log.contains("CONDUIT_FILE_DIR"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_has_every_record_once_and_in_order_over_a_restart() {
    let world = World::new().await;
    let folder = world.folder.path().join("files");
    std::fs::create_dir(&folder).unwrap();
    let variables = [("CONDUIT_FILE_DIR", folder.to_str().unwrap())];
    let orders = world.collection("orders");
    let path = folder.join("a/b/orders.ndjson");
    let mut lines = 0;
    for round in 0..3_u64 {
        let server = world.start_with("run", &variables).await;
        if round == 0 {
            server
                .api
                .create(with(json!({"type": "file", "path": "a/b/orders.ndjson"})))
                .await;
        }
        for number in 0..100 {
            insert(&orders, &format!("{round}-{}", number / 2), number).await;
            if number % 2 == 0 {
                orders
                    .delete_one(doc! {"_id": format!("{round}-{}", number / 2)})
                    .await
                    .unwrap();
            }
        }
        lines += 150;
        // Stopped in the middle of it, but for the last time.
        if round == 2 {
            let is_whole =
                |_: &Value| std::fs::read_to_string(&path).is_ok_and(|text| text.lines().count() >= lines);
            server.api.until_status("orders", "d", is_whole).await;
        }
        assert!(server.stop().await.success());
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let mut ledger = Ledger::new();
    text.lines().for_each(|line| ledger.enter(line.as_bytes()));
    ledger.assert_clean();
    assert_eq!((ledger.count(), ledger.repeats()), (lines, 0));
    assert!(text.ends_with('\n'));
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_output_has_records_and_nothing_else() {
    let world = World::new().await;
    let server = world.start("run").await;
    server.api.create(with(json!({"type": "stdout"}))).await;
    let mut other = with(json!({"type": "stdout", "format": "cloudevents"}));
    other["collection_name"] = json!("other");
    server.api.create(other).await;
    let (orders, others) = (world.collection("orders"), world.collection("other"));
    for number in 0..50 {
        let text = "line\nfeed\u{2028}".repeat(100);
        orders
            .insert_one(doc! {"_id": number, "text": text})
            .await
            .unwrap();
        insert(&others, &number.to_string(), number.into()).await;
    }
    until_settled(&server, 50).await;
    server
        .api
        .until_status("other", "d", |status| status["delivered"] == 50)
        .await;
    let output = server.output();
    let mut ledger = Ledger::new();
    for line in output.lines() {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let record = value.get("data").unwrap_or(&value);
        assert_eq!(
            value.get("data").is_some(),
            record["tableName"] == "other",
            "{line}"
        );
        ledger.enter(record.to_string().as_bytes());
    }
    ledger.assert_clean();
    assert_eq!((ledger.count(), ledger.repeats()), (100, 0));
    let log = server.log();
    assert!(!log.is_empty() && !log.contains("eventID"));
    let wrong = with(json!({"type": "stdout", "path": "x"}));
    let answer = server.api.expect(400, "PUT", ORDERS, Some(wrong)).await;
    assert_eq!(faulty_fields(&answer), ["destinations[0].path"]);
    assert!(server.stop().await.success());
}
