//! What all operations have in common: who may call them, what goes wrong anywhere, how they lead to each other.

use serde_json::{Map, Value, json};

use super::document::schema_ref;
use super::parameters::parameter;

/// Paths that need no token.
const OPEN: [&str; 2] = ["/health", "/ready"];
const SECURITY: [&str; 2] = ["bearer", "session"];

/// Completes a document of which only the operations and the schemas are there.
pub(super) fn complete(document: &mut Value) {
    let Some(root) = document.as_object_mut() else {
        return;
    };
    let each = SECURITY.map(|scheme| json!({ scheme: [] }));
    root.insert("security".to_owned(), json!(each));
    if let Some(components) = root.get_mut("components").and_then(Value::as_object_mut) {
        components.insert("securitySchemes".to_owned(), security_schemes());
        for name in ["Problem", "Fault"] {
            components["schemas"][name]["additionalProperties"] = json!(false);
        }
    }
    let Some(paths) = root.get_mut("paths").and_then(Value::as_object_mut) else {
        return;
    };
    let links = links(paths);
    for (path, methods) in paths {
        for (method, operation) in methods.as_object_mut().into_iter().flatten() {
            if let Some(operation) = operation.as_object_mut() {
                complete_operation(path, method, operation);
                if method == "post" && path == "/api/collections" {
                    operation["responses"]["201"]["links"] = links.clone();
                }
            }
        }
    }
}

fn security_schemes() -> Value {
    json!({
        "bearer": {
            "type": "http", "scheme": "bearer",
            "description": "CONDUIT_API_TOKEN for everything, CONDUIT_API_READ_TOKEN for what changes nothing. A server that was \
                            started without them asks for none.",
        },
        "session": {
            "type": "apiKey", "in": "cookie", "name": "conduit_session",
            "description": "The cookie of somebody who signed in with a token, as good as that token. A request that changes \
                            something must come from a page of the same origin.",
        },
    })
}

fn complete_operation(path: &str, method: &str, operation: &mut Map<String, Value>) {
    describe_parameters(operation);
    let has_body = operation.contains_key("requestBody");
    if has_body && method == "patch" {
        let content = &mut operation["requestBody"]["content"];
        content["application/merge-patch+json"] = content["application/json"].clone();
    }
    if has_body {
        // A redrive of all has nothing to say.
        operation["requestBody"]["required"] = json!(!path.ends_with("/redrive"));
    }
    if OPEN.contains(&path) {
        operation.insert("security".to_owned(), json!([]));
    }
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else {
        return;
    };
    for (status, description) in common_failures(path, method, has_body) {
        let described = || json!({ "description": description });
        responses.entry(status).or_insert_with(described);
    }
    responses.sort_keys();
    for (status, answer) in responses {
        if answer.get("content").is_none() && status.as_str() >= "400" {
            answer["content"] = json!({ "application/problem+json": { "schema": schema_ref("Problem") } });
        }
    }
}

fn describe_parameters(operation: &mut Map<String, Value>) {
    let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
    for given in parameters.into_iter().flatten() {
        let name = given.get("name").and_then(Value::as_str).unwrap_or_default();
        let Some((description, schema)) = parameter(name) else {
            continue;
        };
        if schema["type"] == "array" {
            given["style"] = json!("form");
            given["explode"] = json!(false);
        }
        given["description"] = json!(description);
        given["schema"] = schema;
    }
}

/// What can go wrong with every operation of a kind.
fn common_failures(path: &str, method: &str, has_body: bool) -> Vec<(&'static str, &'static str)> {
    let is_api = path.starts_with("/api/");
    let changes_something = method != "get" && path != "/api/filters/test";
    let failures = [
        (!OPEN.contains(&path), "401", "No token, or a wrong one."),
        (
            changes_something,
            "403",
            "The token may only read, or a page of another origin asks for it.",
        ),
        (
            is_api || path == "/openapi.json",
            "400",
            "Something that was sent is wrong; `errors` says what, all at once.",
        ),
        (
            has_body,
            "415",
            "The body is said to be something else than JSON.",
        ),
        (method != "get", "413", "The body has more than 1 MiB."),
        (is_api, "500", "The server failed at this; its log says more."),
        (
            is_api,
            "503",
            "MongoDB or the state store cannot be used now, or no worker is there to do it.",
        ),
    ];
    let happening = failures.into_iter().filter(|(happens, ..)| *happens);
    happening
        .map(|(_, status, description)| (status, description))
        .collect()
}

/// From a collection that was created to everything that can be done with it.
fn links(paths: &Map<String, Value>) -> Value {
    let of_collections = paths
        .iter()
        .filter(|(path, _)| path.starts_with("/api/collections/{name}"));
    let operations = of_collections.flat_map(|(_, methods)| methods.as_object().into_iter().flatten());
    let link = |(_, operation): (&String, &Value)| {
        let id = operation.get("operationId")?.as_str()?.to_owned();
        let link = json!({ "operationId": id, "parameters": { "name": "$response.body#/collection_name" } });
        Some((id, link))
    };
    Value::Object(operations.filter_map(link).collect())
}
