//! Two people do not overwrite each other.

use serde_json::json;

use crate::harness::{World, header};

const PATH: &str = "/api/collections/c";

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_meant_for_another_version_is_refused_and_changes_nothing() {
    let world = World::new().await;
    let server = world.start("run").await;
    let api = &server.api;
    let json = ("content-type", "application/json");
    let body = json!({"collection_name": "c", "deletion_protection": false}).to_string();
    let (status, headers, _) = api.send("POST", "/api/collections", &[json], &body).await;
    let first = header(&headers, "etag");
    assert_eq!((status.as_u16(), first.as_str()), (201, "\"1\""));
    // GIVEN two who read the same version
    let (_, headers, _) = api.send("GET", PATH, &[], "").await;
    assert_eq!(header(&headers, "etag"), first);
    // WHEN one of them writes, meaning that version
    let change = r#"{"ttl_attribute": "first"}"#;
    let (status, headers, _) = api
        .send("PATCH", PATH, &[json, ("if-match", &first)], change)
        .await;
    let second = header(&headers, "etag");
    assert_eq!(status.as_u16(), 200);
    assert_ne!(second, first);
    // THEN what the other one means is not there any more, however it is said
    for stale in [first.as_str(), "\"99\"", "W/\"2\"", "\"1\", \"7\""] {
        for (method, body) in [
            ("PATCH", r#"{"ttl_attribute": "second"}"#),
            ("PUT", "{}"),
            ("DELETE", ""),
        ] {
            let (status, headers, text) = api.send(method, PATH, &[json, ("if-match", stale)], body).await;
            assert_eq!(status.as_u16(), 412, "{method} {stale}: {text}");
            assert!(text.contains("\"precondition_failed\""), "{text}");
            assert_eq!(header(&headers, "content-type"), "application/problem+json");
        }
    }
    // A request that would fail anyway is told why.
    let (status, _, text) = api.send("PUT", PATH, &[json, ("if-match", &first)], "[]").await;
    assert_eq!(status.as_u16(), 400, "{text}");
    let (_, headers, text) = api.send("GET", PATH, &[], "").await;
    assert_eq!(header(&headers, "etag"), second);
    assert!(text.contains("\"first\""), "{text}");
    // AND what nobody can have meant is a fault.
    let (status, _, text) = api.send("PUT", PATH, &[json, ("if-match", "two")], "{}").await;
    assert_eq!(status.as_u16(), 400, "{text}");
    // One of a list, any, and none at all go through.
    let list = format!("\"99\", {second}");
    let (status, headers, _) = api
        .send(
            "PUT",
            PATH,
            &[json, ("if-match", &list)],
            r#"{"deletion_protection": false}"#,
        )
        .await;
    assert_eq!(status.as_u16(), 200);
    assert_eq!(header(&headers, "etag"), "\"3\"");
    let (status, ..) = api.send("PATCH", PATH, &[json, ("if-match", "*")], change).await;
    assert_eq!(status.as_u16(), 200);
    let (status, ..) = api.send("DELETE", PATH, &[("if-match", "\"4\"")], "").await;
    assert_eq!(status.as_u16(), 204);
    server.kill().await;
}
