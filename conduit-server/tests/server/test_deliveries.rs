use std::net::TcpListener;

use bson::doc;
use conduit_testkit::receiver::{Answer, Receiver};
use serde_json::{Value, json};

use crate::forms::Form;
use crate::harness::{Api, World, insert, streaming};
use crate::search_server::SearchServer;

const TEST: &str = "/api/collections/orders/test";
const SECRET: &str = "hunter2-hunter2-hunter2";

/// Tests all destinations and returns what came of them.
async fn test(api: &Api) -> Vec<Value> {
    let answer = api.expect(200, "POST", TEST, None).await;
    assert_eq!(answer["collection_name"], "orders");
    answer["destinations"].as_array().unwrap().clone()
}

/// An address that nobody listens to.
fn dead_endpoint() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/", listener.local_addr().unwrap())
}

fn said(tested: &Value) -> &str {
    tested["error"].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_says_of_each_destination_what_it_answered_before_the_stream_is_on() {
    for form in Form::ALL {
        let world = World::new().await;
        let [well, failing, silent] = [
            Receiver::start().await,
            Receiver::start().await,
            Receiver::start().await,
        ];
        let echo = Answer::with_body(500, format!("who is Bearer {SECRET}?"));
        failing.answer_with(move |_| echo.clone());
        silent.answer_with(|_| Answer::Hang);
        let server = form.start(&world).await;
        let api = server.api();
        // Neither type nor filter would let the sample through.
        api.create(json!({
            "collection_name": "orders", "primary_key": "customer", "destinations": [
                {"id": "well", "type": "http", "endpoint": well.url(), "event_types": ["REMOVE"],
                 "filter_criteria": {"new_image": {"status": ["paid"]}}, "headers": {"x-team": SECRET}},
                {"id": "batched", "type": "http", "endpoint": well.url(), "batch": {}, "format": "cloudevents"},
                {"id": "failing", "type": "http", "endpoint": failing.url(), "bearer_token": SECRET},
                {"id": "refused", "type": "http", "endpoint": dead_endpoint()},
                {"id": "silent", "type": "http", "endpoint": silent.url(), "timeout": "300ms"},
            ],
        }))
        .await;
        let before = api.get("/api/collections/orders/status").await;
        let tested = test(api).await;
        let ids: Vec<&str> = tested.iter().map(|one| one["id"].as_str().unwrap()).collect();
        assert_eq!(
            ids,
            ["well", "batched", "failing", "refused", "silent"],
            "{form:?}"
        );
        let delivered: Vec<bool> = tested
            .iter()
            .map(|one| one["delivered"].as_bool().unwrap())
            .collect();
        assert_eq!(
            delivered,
            [true, true, false, false, false],
            "{form:?}: {tested:?}"
        );
        let statuses: Vec<&Value> = tested.iter().map(|one| &one["status"]).collect();
        let status = well.received()[0].status();
        assert_eq!(
            statuses,
            [
                &json!(status),
                &json!(status),
                &json!(500),
                &json!(null),
                &json!(null)
            ]
        );
        assert!(
            tested
                .iter()
                .all(|one| one["latency_ms"].as_f64().unwrap() > 0.0 && one["type"] == "http")
        );
        assert_eq!(tested[0]["error"], json!(null));
        assert!(
            said(&tested[2]).starts_with("HTTP 500 from") && said(&tested[2]).contains("who is Bearer *")
        );
        assert!(said(&tested[3]).starts_with("cannot connect to"), "{tested:?}");
        assert!(said(&tested[4]).contains("within 300ms"), "{tested:?}");
        // One request each, and no further one.
        assert_eq!((failing.received().len(), silent.received().len()), (1, 1));
        let sent = well.received();
        let single = sent.iter().find(|request| request.json().is_object()).unwrap();
        let id = single.json()["eventID"].as_str().unwrap();
        assert!(id.starts_with("test-"), "{id}");
        assert_eq!(single.header("webhook-id"), Some(id));
        assert_eq!(single.header("x-team"), Some(SECRET));
        assert_eq!(single.json()["keys"], json!({"customer": id}));
        assert_eq!(single.json()["recordType"], "INSERT");
        let batched = sent.iter().find(|request| request.json().is_array()).unwrap();
        assert_eq!(batched.json()[0]["data"]["tableName"], "orders");
        // It left nothing but that.
        assert_eq!(
            api.get("/api/collections/orders/status").await,
            before,
            "{form:?}"
        );
        assert_eq!(
            world.collection("orders").count_documents(doc! {}).await.unwrap(),
            0
        );
        let answer = json!(tested).to_string();
        assert!(!answer.contains(SECRET), "{answer}");
        for server in server.servers {
            let (status, log) = server.stop_and_log().await;
            assert!(status.success() && !log.contains(SECRET), "{log}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_of_what_runs_changes_neither_status_nor_what_is_sent() {
    for form in Form::ALL {
        let world = World::new().await;
        let receiver = Receiver::start().await;
        receiver.answer_with(|request| {
            let is_test = request.json()["eventID"].as_str().unwrap().starts_with("test-");
            Answer::Status(if is_test { 503 } else { 204 })
        });
        let server = form.start(&world).await;
        let api = server.api();
        api.create(streaming("orders", &receiver)).await;
        let orders = world.collection("orders");
        insert(&orders, "a", 1).await;
        let is_settled =
            |count: u64| move |status: &Value| status["delivered"] == count && status["lag_seconds"] == 0.0;
        api.until_status("orders", "d", is_settled(1)).await;
        for _ in 0..30 {
            let tested = test(api).await;
            assert_eq!(
                (&tested[0]["delivered"], &tested[0]["status"]),
                (&json!(false), &json!(503)),
                "{form:?}"
            );
        }
        let status = api.until_status("orders", "d", is_settled(1)).await;
        let of = [
            "state",
            "retried",
            "dead_lettered",
            "filtered",
            "retry_length",
            "dlq_length",
            "last_error",
        ];
        let found = of.map(|name| status[name].clone());
        let [none, null] = [json!(0), json!(null)];
        assert_eq!(
            found,
            [
                json!("streaming"),
                none.clone(),
                none.clone(),
                none.clone(),
                none.clone(),
                none,
                null
            ]
        );
        // Paused it is tested all the same.
        api.expect(200, "POST", "/api/collections/orders/pause", None)
            .await;
        api.until_status("orders", "d", |status| status["state"] == "paused")
            .await;
        assert_eq!(test(api).await[0]["status"], 503, "{form:?}");
        api.expect(200, "POST", "/api/collections/orders/resume", None)
            .await;
        insert(&orders, "b", 1).await;
        api.until_status("orders", "d", is_settled(2)).await;
        let metrics = server
            .servers
            .last()
            .unwrap()
            .api
            .try_text("GET", "/metrics", "", Vec::new())
            .await
            .unwrap()
            .1;
        let counted = r#"conduit_records_total{collection="orders",destination="d",outcome="delivered"} 2"#;
        assert!(metrics.contains(counted), "{metrics}");
        assert!(!metrics.contains(r#"outcome="retried""#), "{metrics}");
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_cannot_be_made_says_why() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let tokens = [
        ("CONDUIT_API_TOKEN", "admin-token"),
        ("CONDUIT_API_READ_TOKEN", "read-token"),
    ];
    let server = world.start_with("api", &tokens).await;
    let api = server.api.with_token("admin-token");
    api.create(json!({"collection_name": "none"})).await;
    let answer = api.expect(200, "POST", "/api/collections/none/test", None).await;
    assert_eq!(answer, json!({"collection_name": "none", "destinations": []}));
    api.create(streaming("orders", &receiver)).await;
    let answer = api.expect(503, "POST", TEST, None).await;
    assert_eq!(answer["code"], "no_worker");
    let worker = world.start("worker").await;
    api.until_status("orders", "d", |status| status["state"] == "streaming")
        .await;
    let answer = api
        .expect(200, "POST", &format!("{TEST}?destination=d"), None)
        .await;
    assert_eq!(answer["destinations"][0]["delivered"], true, "{answer}");
    let answer = api
        .expect(404, "POST", &format!("{TEST}?destination=e"), None)
        .await;
    assert_eq!(answer["code"], "destination_not_found");
    let answer = api.expect(404, "POST", "/api/collections/other/test", None).await;
    assert_eq!(answer["code"], "collection_not_found");
    api.expect(400, "POST", &format!("{TEST}?dry=1"), None).await;
    server
        .api
        .with_token("read-token")
        .expect(403, "POST", TEST, None)
        .await;
    assert!(worker.stop().await.success());
    assert!(server.stop().await.success());
}

/// What was allowed when it was configured is not sent to by a server that does not allow it any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_test_goes_nowhere_that_this_server_may_not_send_to() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let files = world.folder.path().join("files");
    std::fs::create_dir(&files).unwrap();
    let folder = ("CONDUIT_FILE_DIR", files.to_str().unwrap());
    let server = world.start_with("run", &[folder]).await;
    let mut body = streaming("orders", &receiver);
    body["stream_enabled"] = json!(false);
    let file = json!({"id": "f", "type": "file", "path": "orders.ndjson"});
    body["destinations"].as_array_mut().unwrap().push(file);
    server.api.create(body).await;
    let tested = test(&server.api).await;
    assert!(tested.iter().all(|one| one["delivered"] == true), "{tested:?}");
    let lines = std::fs::read_to_string(files.join("orders.ndjson")).unwrap();
    assert_eq!(lines.lines().count(), 1, "{lines}");
    assert!(server.stop().await.success());
    let server = world.start_with("run", &[("CONDUIT_EGRESS", "public")]).await;
    let tested = test(&server.api).await;
    for one in &tested {
        assert_eq!(
            (&one["delivered"], &one["latency_ms"]),
            (&json!(false), &json!(null))
        );
        assert!(said(one).starts_with("cannot be used here: "), "{one}");
    }
    assert_eq!(receiver.received().len(), 1);
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_of_an_index_leaves_no_document_in_it() {
    let world = World::new().await;
    let search = SearchServer::start("test-delivery").await;
    let server = world.start("run").await;
    let mut body = search.collection("orders");
    let mut stranger = search.destination();
    stranger["id"] = json!("stranger");
    stranger["bearer_token"] = json!(SECRET);
    body["destinations"].as_array_mut().unwrap().push(stranger);
    body["stream_enabled"] = json!(false);
    server.api.create(body).await;
    let tested = test(&server.api).await;
    assert_eq!(
        (&tested[0]["delivered"], &tested[0]["status"]),
        (&json!(true), &json!(200)),
        "{tested:?}"
    );
    assert_eq!(
        (&tested[1]["delivered"], &tested[1]["status"]),
        (&json!(false), &json!(403)),
        "{tested:?}"
    );
    assert!(!json!(tested).to_string().contains(SECRET), "{tested:?}");
    assert!(search.documents().await.is_empty());
    search.delete_index().await;
    assert!(server.stop().await.success());
}
