//! Dead letters and rewinds.

use serde_json::{Map, Value, json};

use super::document::{exactly, named, schema_ref, time};

pub(super) fn schemas() -> Map<String, Value> {
    let count = |description: &str| json!({ "type": "integer", "minimum": 0, "description": description });
    let destination = json!({ "type": ["string", "null"], "pattern": "^[a-z0-9-]{1,64}$",
        "description": "One destination's; all of the collection are meant without it." });
    let redrive = json!({
        "type": "object", "additionalProperties": false, "examples": [{}],
        "description": "Which dead letters are sent again; all that are not stale for an empty object.",
        "properties": {
            "ids": { "type": ["array", "null"], "minItems": 1, "items": { "type": "integer", "minimum": 0, "maximum": i64::MAX } },
            "destination": destination,
            "include_stale": { "type": ["boolean", "null"], "default": false,
                "description": "Those too whose document has had a newer record acknowledged since." },
        },
    });
    let rewind = json!({
        "type": "object", "additionalProperties": false, "required": ["to"], "examples": [{ "to": "now" }],
        "description": "Where streams go to.",
        "properties": {
            "to": { "anyOf": [{ "const": "now" }, time()],
                "description": "A time in the past, which MongoDB's history reaches back to; or `now`." },
            "destination": destination,
        },
    });
    named([
        ("DeadLetters", page()),
        ("DeadLetter", letter()),
        ("Record", record()),
        ("Redrive", redrive),
        (
            "Redriven",
            exactly(
                "What became of a redrive.",
                json!({
                    "redriven": count("Dead letters that wait to be sent again."),
                    "stale": count("Dead letters that stay, since a newer record of their document was acknowledged."),
                }),
            ),
        ),
        (
            "Purged",
            exactly(
                "What became of a purge.",
                json!({ "purged": count("Dead letters that are gone.") }),
            ),
        ),
        ("Rewind", rewind),
        (
            "Rewound",
            exactly(
                "What is delivered again.",
                json!({
                    "collection_name": { "type": "string" },
                    "destinations": { "type": "array", "items": { "type": "string" } },
                    "to": time(),
                }),
            ),
        ),
    ])
}

fn page() -> Value {
    exactly(
        "Dead letters, oldest first.",
        json!({
            "items": { "type": "array", "items": schema_ref("DeadLetter") },
            "next_cursor": { "type": ["string", "null"], "description": "The `cursor` of the next page; null at the end." },
        }),
    )
}

fn letter() -> Value {
    exactly(
        "A record that was given up.",
        json!({
            "id": { "type": "integer", "minimum": 0 },
            "destination": { "type": "string" },
            "record": schema_ref("Record"),
            "attempts": { "type": "integer", "minimum": 0 },
            "first_attempt": time(),
            "last_attempt": time(),
            "last_error": { "type": "string" },
            "stale": { "type": "boolean", "description": "Whether a newer record of its document was acknowledged." },
        }),
    )
}

fn record() -> Value {
    json!({
        "type": "object", "description": "One change of one document. An image that is not there is left out.",
        "required": ["eventID", "eventVersion", "tableName", "recordType", "keys", "timestamp", "sequenceNumber"],
        "properties": {
            "eventID": { "type": "string", "description": "The same in every delivery of the record." },
            "eventVersion": { "type": "string" },
            "tableName": { "type": "string" },
            "recordType": { "type": "string", "enum": ["INSERT", "MODIFY", "REMOVE"] },
            "keys": { "type": "object" },
            "newImage": { "type": "object" },
            "oldImage": { "type": "object" },
            "timestamp": { "type": "integer", "description": "Milliseconds since the epoch." },
            "sequenceNumber": { "type": "string", "description": "Sorts as text in the order of the changes." },
        },
    })
}
