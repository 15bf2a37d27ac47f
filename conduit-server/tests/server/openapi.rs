//! The description of the API, compared with the server.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_document_has_every_operation_and_nothing_that_leads_nowhere() {
    let world = World::new().await;
    let server = world.start("run").await;
    let document = server.api.get("/openapi.json").await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut found = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            found.insert(format!("{} {path}", method.to_uppercase()));
            for part in ["operationId", "summary", "tags", "responses"] {
                assert!(!operation[part].is_null(), "{method} {path} has no {part}");
            }
        }
    }
    let wanted = [
        "DELETE /api/collections/{name}",
        "DELETE /api/collections/{name}/dlq",
        "GET /",
        "GET /api/collections",
        "GET /api/collections/{name}",
        "GET /api/collections/{name}/dlq",
        "GET /api/collections/{name}/status",
        "GET /api/collections/{name}/tail",
        "GET /api/doctor",
        "GET /api/status",
        "GET /docs",
        "GET /health",
        "GET /metrics",
        "GET /openapi.json",
        "GET /ready",
        "PATCH /api/collections/{name}",
        "POST /api/collections",
        "POST /api/collections/{name}/dlq/redrive",
        "POST /api/collections/{name}/pause",
        "POST /api/collections/{name}/resume",
        "POST /api/collections/{name}/rewind",
        "POST /api/collections/{name}/test",
        "POST /api/filters/test",
        "PUT /api/collections/{name}",
    ];
    assert_eq!(found, wanted.map(str::to_owned).into());
    // Whatever it refers to is there.
    let mut refs = Vec::new();
    collect(&document, &mut refs);
    assert!(refs.len() > 50);
    for reference in refs {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    server.kill().await;
}

fn collect(value: &Value, refs: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member.as_str().filter(|_| name == "$ref") {
                    Some(reference) => refs.push(reference.to_owned()),
                    None => collect(member, refs),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, refs)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_shows_has_exactly_the_members_that_are_described() {
    let world = World::new().await;
    let server = world.start("run").await;
    let document = server.api.get("/openapi.json").await;
    let members = |name: &str| -> BTreeSet<String> {
        let schema = &document["components"]["schemas"][name];
        assert_eq!(schema["additionalProperties"], false, "{name}");
        let required = schema["required"].as_array().unwrap();
        required
            .iter()
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    };
    let shown = |value: &Value| -> BTreeSet<String> { value.as_object().unwrap().keys().cloned().collect() };
    let url = "http://127.0.0.1:9/";
    let collection = server
        .api
        .create(json!({"collection_name": "c", "destinations": [
            {"type": "http", "endpoint": url}, {"type": "stdout"}, {"type": "meilisearch", "endpoint": url},
            {"type": "eventbridge", "event_bus_name": "b", "region": "eu-west-1"},
        ]}))
        .await;
    assert_eq!(shown(&collection), members("Collection"));
    for destination in collection["destinations"].as_array().unwrap() {
        let kind = destination["type"].as_str().unwrap();
        assert_eq!(shown(destination), members(&format!("Destination-{kind}")));
    }
    let status = server.api.get("/api/collections/c/status").await;
    assert_eq!(shown(&status), members("CollectionStatus"));
    for destination in status["destinations"].as_array().unwrap() {
        assert!(shown(destination).is_superset(&members("DestinationStatus")));
    }
    server.kill().await;
}
