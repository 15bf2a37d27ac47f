//! What every request and answer has, whatever it is about.

use serde_json::{Value, json};

use crate::harness::{World, header};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_keeps_its_id_in_its_answer_and_in_the_log() {
    let world = World::new().await;
    let server = world.start_with("run", &[("LOG_FORMAT", "json")]).await;
    let api = &server.api;
    let json_body = ("content-type", "application/json");
    let body = json!({"collection_name": "c", "destinations": [{"id": "d", "type": "stdout"}]}).to_string();
    let (status, headers, _) = api
        .send(
            "POST",
            "/api/collections?",
            &[json_body, ("x-request-id", "mine-1")],
            &body,
        )
        .await;
    assert_eq!(
        (status.as_u16(), header(&headers, "x-request-id").as_str()),
        (201, "mine-1")
    );
    let refused = [json_body, ("x-request-id", "mine-2\tforged")];
    let (_, headers, _) = api
        .send(
            "PATCH",
            "/api/collections/c",
            &refused,
            r#"{"ttl_attribute": "t"}"#,
        )
        .await;
    let made = header(&headers, "x-request-id");
    assert!(!made.is_empty() && !made.contains("mine"), "{made}");
    // Every change leaves a line that says who, what and of what.
    let log = server.log();
    let lines: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|line: &Value| line["target"] == "conduit::audit")
        .collect();
    let said: Vec<(&str, &str, &str)> = lines
        .iter()
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap_or_default();
            (text("action"), text("request_id"), text("destinations"))
        })
        .collect();
    assert_eq!(
        said,
        [("create", "mine-1", "d"), ("patch", made.as_str(), "d")],
        "{log}"
    );
    assert_eq!(lines[0]["collection"], "c");
    assert_eq!(lines[0]["who"], "anonymous");
    assert_eq!(lines[0]["version"], 1);
    assert!(lines[0]["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert_eq!(lines[0]["span"]["id"], "mine-1");
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_or_not_taken_is_a_problem_that_says_so() {
    let world = World::new().await;
    let server = world.start("run").await;
    let api = &server.api;
    api.create(json!({"collection_name": "c"})).await;
    let problem = |headers: &axum::http::HeaderMap, text: &str| -> String {
        assert_eq!(
            header(headers, "content-type"),
            "application/problem+json",
            "{text}"
        );
        assert_eq!(header(headers, "x-content-type-options"), "nosniff");
        assert!(!header(headers, "x-request-id").is_empty());
        serde_json::from_str::<Value>(text).unwrap()["code"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    for path in [
        "/nothing",
        "/api",
        "/api/collections/c/odd",
        "/assets/odd.js",
        "/health/",
    ] {
        let (status, headers, text) = api.send("GET", path, &[], "").await;
        assert_eq!(
            (status.as_u16(), problem(&headers, &text).as_str()),
            (404, "not_found"),
            "{path}"
        );
    }
    for (method, path, allowed) in [
        ("POST", "/health", "GET,HEAD"),
        ("PUT", "/api/collections", "GET,HEAD,POST"),
        ("POST", "/api/collections/c", "GET,HEAD,PUT,PATCH,DELETE"),
        ("GET", "/api/collections/c/pause", "POST"),
        ("DELETE", "/openapi.json", "GET,HEAD"),
        ("OPTIONS", "/api/status", "GET,HEAD"),
    ] {
        let (status, headers, text) = api.send(method, path, &[], "").await;
        let code = problem(&headers, &text);
        assert_eq!(
            (status.as_u16(), code.as_str()),
            (405, "method_not_allowed"),
            "{method} {path}"
        );
        let mut found: Vec<String> = header(&headers, "allow")
            .split(',')
            .map(|m| m.trim().to_owned())
            .collect();
        let mut wanted: Vec<&str> = allowed.split(',').collect();
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{method} {path}");
    }
    // The same as GET, without the body.
    for path in ["/api/collections/c", "/api/status", "/openapi.json", "/docs"] {
        let (status, headers, text) = api.send("HEAD", path, &[], "").await;
        assert_eq!((status.as_u16(), text.as_str()), (200, ""), "{path}");
        assert_ne!(header(&headers, "content-length"), "0", "{path}");
    }
    // A body that nobody wants is bounded, and not ignored.
    let large = format!("{{\"x\": \"{}\"}}", "x".repeat(1024 * 1024));
    for (method, path) in [
        ("POST", "/api/collections/c/pause"),
        ("POST", "/api/collections/c/resume"),
        ("DELETE", "/api/collections/c"),
        ("DELETE", "/api/collections/c/dlq"),
    ] {
        let (status, headers, text) = api.send(method, path, &[], &large).await;
        assert_eq!(
            (status.as_u16(), problem(&headers, &text).as_str()),
            (413, "body_too_large")
        );
        let (status, headers, text) = api.send(method, path, &[], r#"{"destination": "d"}"#).await;
        assert_eq!(
            (status.as_u16(), problem(&headers, &text).as_str()),
            (400, "validation_failed")
        );
    }
    for (method, path) in [
        ("GET", "/api/collections"),
        ("GET", "/api/collections/c"),
        ("GET", "/api/status"),
    ] {
        let path = format!("{path}?page=2");
        let (status, headers, text) = api.send(method, &path, &[], "").await;
        assert_eq!(
            (status.as_u16(), problem(&headers, &text).as_str()),
            (400, "validation_failed"),
            "{path}"
        );
    }
    api.get("/api/collections/c").await;
    server.kill().await;
}
