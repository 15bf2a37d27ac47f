//! The place where filters are tried.

use serde_json::{Value, json};

use crate::harness::{Api, World, faulty_fields};

const TEST: &str = "/api/filters/test";

async fn refused(api: &Api, body: impl Into<Vec<u8>>, content_type: &str) -> (u16, Value) {
    let (status, answered_type, text) = api
        .try_typed("POST", TEST, content_type, body.into())
        .await
        .unwrap();
    assert_eq!(answered_type, "application/problem+json", "{status}: {text}");
    (status.as_u16(), serde_json::from_str(&text).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_is_tried_on_a_record_and_says_why() {
    let world = World::new().await;
    let server = world.start("api").await;
    let pattern = json!({
        "new_image": {"status": ["paid"], "total": [{"numeric": [">", 100]}]},
        "old_image": {"status": [{"anything-but": ["paid"]}]},
    });
    let trial = |new: Value, old: Value| json!({"filter_criteria": pattern, "record": {"newImage": new, "oldImage": old}});
    let body = trial(
        json!({"status": "paid", "total": 250.5}),
        json!({"status": "open"}),
    );
    let answer = server.api.expect(200, "POST", TEST, Some(body)).await;
    assert_eq!(
        answer,
        json!({"matches": true, "explain": [
            {"path": "new_image.status", "operator": "equals", "matched": true, "found": "paid"},
            {"path": "new_image.total", "operator": "numeric", "matched": true, "found": 250.5},
            {"path": "old_image.status", "operator": "anything-but", "matched": true, "found": "open"},
        ]})
    );
    let body = trial(json!({"status": "paid", "total": 99}), Value::Null);
    let answer = server.api.expect(200, "POST", TEST, Some(body)).await;
    let verdicts: Vec<&Value> = answer["explain"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| &each["matched"])
        .collect();
    assert_eq!(
        (&answer["matches"], verdicts),
        (&json!(false), vec![&json!(true), &json!(false), &json!(false)])
    );
    assert_eq!(answer["explain"][1]["found"], 99);
    assert_eq!(answer["explain"][2]["found"], Value::Null);
    // A record as it was delivered can be tried as it is.
    let record = json!({
        "eventID": "e", "eventVersion": "1.0", "tableName": "c", "recordType": "INSERT", "keys": {"_id": 1},
        "newImage": {"_id": 1, "a": "x"}, "timestamp": 1, "sequenceNumber": "00",
    });
    let body = json!({"filter_criteria": {"newImage": {"a": [{"prefix": "x"}]}}, "record": record});
    assert_eq!(
        server.api.expect(200, "POST", TEST, Some(body)).await["matches"],
        true
    );
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_pattern_is_the_same_fault_where_it_is_tried_and_where_it_is_configured() {
    let world = World::new().await;
    let server = world.start("api").await;
    let deep = format!(
        r#"{{"new_image": {}[1]{}}}"#,
        r#"{"a":"#.repeat(100),
        "}".repeat(100)
    );
    let too_deep = format!(".new_image{}", ".a".repeat(33));
    let long = format!(r#"{{"new_image": {{"a": ["{}"]}}}}"#, "x".repeat(9000));
    let cases = [
        (r#"{}"#, ""),
        (r#"[]"#, ""),
        (r#""paid""#, ""),
        (r#"{"status": ["paid"]}"#, ".status"),
        (r#"{"new_image": null}"#, ".new_image"),
        (r#"{"new_image": {"a": null}}"#, ".new_image.a"),
        (r#"{"$or": []}"#, ".$or"),
        (&deep, &too_deep),
        (&long, ""),
        (r#"{"new_image": {"a": 1}}"#, ".new_image.a"),
        (r#"{"new_image": {"a": []}}"#, ".new_image.a"),
        (r#"{"new_image": {"a": {"b": [[1]]}}}"#, ".new_image.a.b[0]"),
        (
            r#"{"new_image": {"a": [{"numeric": [">", "100"]}]}}"#,
            ".new_image.a[0].numeric",
        ),
        (
            r#"{"new_image": {"a": ["x", {"nonesuch": 1}]}}"#,
            ".new_image.a[1].nonesuch",
        ),
        (
            r#"{"new_image": {"a": [{"wildcard": "a**b"}]}}"#,
            ".new_image.a[0].wildcard",
        ),
        (
            r#"{"new_image": {"a": [{"cidr": "10.0.0.0/33"}]}}"#,
            ".new_image.a[0].cidr",
        ),
        (
            r#"{"new_image": {"a": [{"exists": "yes"}]}}"#,
            ".new_image.a[0].exists",
        ),
        (
            r#"{"new_image": {"a": [{"anything-but": {"prefix": 1}}]}}"#,
            ".new_image.a[0].anything-but.prefix",
        ),
    ];
    for (pattern, place) in cases {
        let body = format!(r#"{{"filter_criteria": {pattern}, "record": {{"newImage": {{}}}}}}"#);
        let (status, tried) = refused(&server.api, body, "application/json").await;
        assert_eq!(
            (status, &tried["code"]),
            (400, &json!("validation_failed")),
            "{pattern}"
        );
        let wanted = format!("filter_criteria{place}");
        assert!(faulty_fields(&tried).contains(&&*wanted), "{pattern}: {tried}");
        let body = format!(
            r#"{{"collection_name": "c", "destinations": [
                {{"id": "d", "type": "http", "endpoint": "http://127.0.0.1:9/", "filter_criteria": {pattern}}}]}}"#
        );
        let (status, text) = server
            .api
            .try_text("POST", "/api/collections", "application/json", body.into_bytes())
            .await
            .unwrap();
        assert_eq!(status.as_u16(), 400, "{pattern}: {text}");
        let configured: Value = serde_json::from_str(&text).unwrap();
        let wanted: Vec<String> = faulty_fields(&tried)
            .iter()
            .map(|field| format!("destinations[0].{field}"))
            .collect();
        assert_eq!(faulty_fields(&configured), wanted, "{pattern}");
    }
    let (_, answer) = server.api.call("GET", "/api/collections/c", None).await;
    assert_eq!(answer["status"], 404, "a fault changes nothing");
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_trial_is_refused_with_what_is_wrong() {
    let world = World::new().await;
    let server = world.start("api").await;
    let api = &server.api;
    for body in [
        "{",
        "[]",
        "null",
        "7",
        "\"x\"",
        "{\"filter_criteria\": }",
        "\u{feff}{}",
    ] {
        let (status, answer) = refused(api, body, "application/json").await;
        assert_eq!(
            (status, answer["code"].as_str()),
            (400, Some("invalid_json")),
            "{body}"
        );
    }
    let (status, _) = refused(api, vec![b'{', 0xff, b'}'], "application/json").await;
    assert_eq!(status, 400);
    for (body, wanted) in [
        ("{}", &["filter_criteria", "record"][..]),
        (
            r#"{"filter_criteria": null, "record": null}"#,
            &["filter_criteria", "record"],
        ),
        (
            r#"{"filter_criteria": {"new_image": {"a": [1]}}, "record": {"newImage": {}, "newimage": {}}, "also": 1}"#,
            &["also", "record.newimage"],
        ),
        (
            r#"{"filter_criteria": {"new_image": {"a": [1]}}, "record": {"newImage": [1], "oldImage": "x"}}"#,
            &["record.newImage", "record.oldImage"],
        ),
        (
            r#"{"filter_criteria": {"new_image": {"a": [1]}}, "record": []}"#,
            &["record"],
        ),
    ] {
        let (status, answer) = refused(api, body, "application/json").await;
        assert_eq!((status, faulty_fields(&answer)), (400, wanted.to_vec()), "{body}");
    }
    let big = |size: usize| {
        let frame = r#"{"filter_criteria":{"new_image":{"a":[""]}},"record":{"newImage":{"a":""}}}"#;
        frame.replace(
            r#""newImage":{"a":""#,
            &format!(r#""newImage":{{"a":"{}"#, "x".repeat(size - frame.len())),
        )
    };
    let (status, _) = api
        .try_text("POST", TEST, "application/json", big(1 << 20).into_bytes())
        .await
        .unwrap();
    assert_eq!(status.as_u16(), 200);
    assert_eq!(refused(api, big((1 << 20) + 1), "application/json").await.0, 413);
    assert_eq!(refused(api, "{}", "text/plain").await.0, 415);
    let deep = format!(
        r#"{{"filter_criteria": {{"new_image": {{"a": [1]}}}}, "record": {{"newImage": {{"a": {}1{}}}}}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let (status, _) = api
        .try_text("POST", TEST, "application/json", deep.into_bytes())
        .await
        .unwrap();
    assert!(status.is_success() || status.as_u16() == 400, "{status}");
    for method in ["GET", "PUT", "DELETE"] {
        api.expect(405, method, TEST, None).await;
    }
    api.get("/health").await;
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trying_a_filter_needs_a_token_that_may_read() {
    let world = World::new().await;
    let variables = [
        ("CONDUIT_API_TOKEN", "adm1n"),
        ("CONDUIT_API_READ_TOKEN", "r3ad"),
        ("HOST", "127.0.0.1"),
    ];
    let server = world.start_with("api", &variables).await;
    let body = json!({"filter_criteria": {"new_image": {"a": [1]}}, "record": {"newImage": {"a": 1}}});
    server.api.expect(401, "POST", TEST, Some(body.clone())).await;
    server
        .api
        .with_token("wrong")
        .expect(401, "POST", TEST, Some(body.clone()))
        .await;
    for token in ["r3ad", "adm1n"] {
        let answer = server
            .api
            .with_token(token)
            .expect(200, "POST", TEST, Some(body.clone()))
            .await;
        assert_eq!(answer["matches"], true);
    }
    // Nothing else that looks like it.
    let reader = server.api.with_token("r3ad");
    for path in [
        "/api/filters/test/",
        "/api/filters/test/x",
        "/api/filters/%74est",
        "/api//filters/test",
    ] {
        let (status, answer) = reader.call("POST", path, Some(body.clone())).await;
        assert!([403, 404].contains(&status.as_u16()), "{path}: {answer}");
    }
    server.kill().await;
}
