//! The parameters of all operations, by name: each means the same wherever it is taken.

use serde_json::{Value, json};

use crate::api::parameters::{DEFAULT_LIMIT, MAX_LIMIT};

/// Returns what a parameter is for and what it may be.
pub(super) fn parameter(name: &str) -> Option<(&'static str, Value)> {
    // What the server takes for a flag beside the two words.
    let flag = json!({ "anyOf": [{ "type": "boolean" }, { "enum": ["0", "1", ""] }], "default": false });
    let described = match name {
        "name" => (
            "The collection.",
            json!({ "type": "string", "minLength": 1, "examples": ["orders"] }),
        ),
        "destination" => (
            "The id of one destination; without it all of the collection are meant.",
            json!({ "type": "string", "pattern": "^[a-z0-9-]{1,64}$", "examples": ["http-3f9a"] }),
        ),
        "discard" => (
            "Lets destinations go that have waiting or dead records, with those records.",
            flag,
        ),
        "dry_run" => ("Says what the request would do, and changes nothing.", flag),
        "keep_data" => ("Keeps the documents: only Conduit forgets the collection.", flag),
        "limit" => (
            "How many dead letters to show.",
            json!({ "type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT }),
        ),
        "cursor" => (
            "The `next_cursor` of the answer before.",
            json!({ "type": "string", "pattern": "^[0-9]{1,19}$" }),
        ),
        "ids" => (
            "The ids of dead letters, parted by commas or one by one; without them all are meant.",
            json!({ "type": "array", "minItems": 1, "items": { "type": "integer", "minimum": 0, "maximum": i64::MAX } }),
        ),
        "event_types" => (
            "Only records of these types: `INSERT`, `MODIFY`, `REMOVE`, parted by commas.",
            json!({ "type": "array", "minItems": 1, "items": { "type": "string", "enum": ["INSERT", "MODIFY", "REMOVE", "DELETE"] } }),
        ),
        "If-Match" => (
            "The `ETag` of the version that is to be changed; of another one nothing is. `*` is any.",
            json!({ "type": "string", "pattern": "^(\\*|\"[0-9]+\"(, \"[0-9]+\")*|[0-9]+)$", "examples": ["*"] }),
        ),
        _ => return None,
    };
    Some(described)
}
