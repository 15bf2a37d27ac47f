//! Collections, as they are sent and answered.

use serde_json::{Map, Value, json};

use super::document::{exactly, named, schema_ref};
use crate::catalog::MAX_NAME_BYTES;
use crate::destination_type::schema::{Side, or_null};

pub(super) fn schemas() -> Map<String, Value> {
    let mut new = sent("A collection to stream. What is left out, or null, takes its default.");
    new["properties"]["collection_name"] = name();
    new["required"] = json!(["collection_name"]);
    new["dependentRequired"] = json!({ "sort_key": ["primary_key"] });
    new["examples"] = json!([{
        "collection_name": "orders", "stream_enabled": true, "deletion_protection": false,
        "destinations": [{ "type": "http", "endpoint": "http://127.0.0.1:9/orders", "event_types": ["INSERT"] }],
    }]);
    let mut replacement = sent(
        "A configuration that replaces the present one. What is left out, or null, takes its default; the key schema stays.",
    );
    replacement["examples"] =
        json!([{ "stream_enabled": true, "deletion_protection": false, "destinations": [] }]);
    let mut patch = sent("A JSON merge patch (RFC 7396): what is left out stays, null takes the default.");
    patch["examples"] = json!([{ "ttl_attribute": "expires_at" }]);
    named([
        ("Collection", answered()),
        (
            "CollectionList",
            json!({ "type": "array", "items": schema_ref("Collection") }),
        ),
        ("DryRun", dry_run()),
        (
            "CollectionOrDryRun",
            json!({ "anyOf": [schema_ref("Collection"), schema_ref("DryRun")] }),
        ),
        ("NewCollection", new),
        ("CollectionReplacement", replacement),
        ("CollectionPatch", patch),
    ])
}

fn dry_run() -> Value {
    let change = exactly(
        "A field that differs. Secrets are masked, and compared as they are.",
        json!({
            "field": { "type": "string", "description": "Destinations by their ids, not by their place.",
                "examples": ["destinations[http-3f9a].endpoint"] },
            "from": { "description": "What is stored." },
            "to": { "description": "What would be stored." },
        }),
    );
    let consequence = exactly(
        "What it brings about for positions, undelivered records and documents.",
        json!({
            "code": { "type": "string", "pattern": "^[a-z_]+$" },
            "destination": { "type": ["string", "null"], "description": "Whose; null if it is the collection's." },
            "message": { "type": "string" },
        }),
    );
    exactly(
        "What a change would do.",
        json!({
            "action": { "type": "string", "enum": ["create", "change", "unchanged"] },
            "version": { "type": ["integer", "null"], "description": "What it was compared with, as the ETag has it." },
            "config": schema_ref("Collection"),
            "changes": { "type": "array", "items": change },
            "steps": { "type": "array", "items": { "type": "string" },
                "description": "What would be done to the collection in MongoDB, in order." },
            "consequences": { "type": "array", "items": consequence },
            "needs_discard": { "type": "boolean",
                "description": "Whether undelivered records would vanish, which needs `discard`." },
        }),
    )
}

fn name() -> Value {
    json!({
        "type": "string", "minLength": 1, "maxLength": MAX_NAME_BYTES, "pattern": "^[^.$:\\u0000]+(\\.[^.$:\\u0000]+)*$",
        "description": format!(
            "A name that MongoDB takes, of at most {MAX_NAME_BYTES} bytes, without `:`; not `system.*`, not `config.collections`."
        ),
    })
}

fn field_name(description: &str, example: &str) -> Value {
    json!({
        "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[^.$\\u0000][^.\\u0000]*$",
        "examples": [example],
        "description": format!("{description} A field of the document itself, of at most 255 bytes."),
    })
}

fn flag(description: &str, default: bool) -> Value {
    json!({ "type": "boolean", "description": description, "default": default })
}

/// The members in their order, but for the destinations.
fn members() -> Map<String, Value> {
    let image_format = json!({
        "type": "string", "enum": ["json", "extjson"], "default": "json",
        "description": "How images are written: plain JSON, or canonical Extended JSON v2, with which nothing is lost.",
    });
    named([
        ("collection_name", name()),
        (
            "primary_key",
            field_name(
                "The first field of the key, in place of `_id`. Cannot be changed.",
                "pk",
            ),
        ),
        (
            "sort_key",
            field_name(
                "The second field of the key; needs `primary_key`, and is another field. Cannot be changed.",
                "sk",
            ),
        ),
        ("stream_enabled", flag("Whether changes are delivered.", false)),
        (
            "old_image",
            flag("Whether records have the document as it was before.", false),
        ),
        (
            "ttl_attribute",
            field_name("The time at which MongoDB deletes the document.", "expires_at"),
        ),
        (
            "deletion_protection",
            flag("Whether the collection cannot be deleted.", true),
        ),
        ("image_format", image_format),
    ])
}

fn answered() -> Value {
    let nullable = ["primary_key", "sort_key", "ttl_attribute"];
    let member = |(name, schema): (String, Value)| {
        let schema = if nullable.contains(&name.as_str()) {
            or_null(schema)
        } else {
            schema
        };
        (name, schema)
    };
    let mut properties: Map<String, Value> = members().into_iter().map(member).collect();
    let destinations = json!({ "type": "array", "items": schema_ref("Destination") });
    properties.insert("destinations".to_owned(), destinations);
    exactly(
        "A collection's configuration; secrets are masked. PUT and PATCH take it unchanged.",
        Value::Object(properties),
    )
}

fn sent(description: &str) -> Value {
    let members = members().into_iter();
    let mut properties: Map<String, Value> = members.map(|(name, schema)| (name, or_null(schema))).collect();
    let destinations = json!({ "type": ["array", "null"], "items": schema_ref("NewDestination"), "default": [],
        "description": "No two of the same id." });
    properties.insert("destinations".to_owned(), destinations);
    json!({ "type": "object", "description": description, "properties": properties, "additionalProperties": false })
}

/// The members that destinations of every type have.
pub(super) fn destination_members(side: Side) -> Map<String, Value> {
    let types = match side {
        Side::Sent => json!(["INSERT", "MODIFY", "REMOVE", "DELETE"]),
        Side::Answered => json!(["INSERT", "MODIFY", "REMOVE"]),
    };
    let members = named([
        (
            "id",
            json!({ "type": "string", "pattern": "^[a-z0-9-]{1,64}$",
                "description": "Its id in the collection; made of the type and the target when left out." }),
        ),
        (
            "event_types",
            json!({ "type": "array", "minItems": 1, "items": { "type": "string", "enum": types },
                "description": "The records that it gets; all when left out. `DELETE` is taken for `REMOVE`." }),
        ),
        ("filter_criteria", schema_ref("FilterCriteria")),
        (
            "max_retries",
            json!({ "type": "integer", "minimum": 0, "maximum": 20, "default": 5,
                "description": "How often a record is tried again before it is a dead letter." }),
        ),
    ]);
    let is_nullable = |name: &str| side == Side::Sent || name == "filter_criteria";
    members
        .into_iter()
        .map(|(name, schema)| match is_nullable(&name) {
            true => (name, or_null(schema)),
            false => (name, schema),
        })
        .collect()
}
