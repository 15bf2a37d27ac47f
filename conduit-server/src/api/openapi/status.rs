//! How collections and destinations do.

use serde_json::{Map, Value, json};

use super::document::{exactly, named, schema_ref, time};
use crate::destination_type::schema::or_null;

pub(super) fn schemas() -> Map<String, Value> {
    named([
        ("CollectionStatus", collection()),
        (
            "CollectionStatusList",
            json!({ "type": "array", "items": schema_ref("CollectionStatus") }),
        ),
        ("DestinationStatus", destination()),
        ("StatusWarning", warning()),
    ])
}

fn collection() -> Value {
    exactly(
        "A collection and its destinations.",
        json!({
            "collection_name": { "type": "string" },
            "stream_enabled": { "type": "boolean" },
            "worker": { "type": ["string", "null"], "description": "Who works on it." },
            "destinations": { "type": "array", "items": schema_ref("DestinationStatus") },
        }),
    )
}

fn destination() -> Value {
    let count = |description: &str| json!({ "type": "integer", "minimum": 0, "description": description });
    let mut schema = exactly(
        "One destination's stream. What is counted, is counted since its worker began.",
        json!({
            "id": { "type": "string" },
            "type": { "type": "string" },
            "state": { "type": "string", "enum": [
                "starting", "streaming", "catching_up", "holding", "paused", "disabled", "waiting_for_lease", "halted",
            ] },
            "reason": { "type": ["string", "null"], "description": "Why it is in that state." },
            "since": or_null(time()),
            "position_time": or_null(time()),
            "delivered": count("Records that were acknowledged."),
            "filtered": count("Records that it does not want."),
            "retried": count("Attempts that failed and are made again."),
            "dead_lettered": count("Records that were given up."),
            "retry_length": count("Records that wait for another attempt."),
            "dlq_length": count("Dead letters there are."),
            "rate": { "type": "number", "minimum": 0, "description": "Records settled a second." },
            "last_error": { "type": ["string", "null"] },
            "last_error_time": or_null(time()),
        }),
    );
    // Not there until it is known, or where no worker is.
    let properties = &mut schema["properties"];
    properties["lag_seconds"] = json!({ "type": "number", "minimum": 0,
        "description": "The age of the oldest change that is not settled; 0 when all is. Absent until it is known." });
    properties["history_seconds_left"] = json!({ "type": ["number", "null"],
        "description": "How long until MongoDB has overwritten the history that its position needs; null while unknown." });
    properties["warnings"] = json!({ "type": "array", "items": schema_ref("StatusWarning"),
        "description": "What needs somebody's attention; empty when all is well." });
    schema
}

fn warning() -> Value {
    exactly(
        "Something that needs attention.",
        json!({
            "code": { "type": "string", "examples": ["history_short", "stuck"] },
            "message": { "type": "string" },
        }),
    )
}
