//! Operations that answer with something else than JSON, or are handled elsewhere; and the shapes of the server's own.
//!
//! The functions are never called: they carry the descriptions.
#![allow(dead_code)]

use serde_json::{Map, Value, json};

use super::document::{exactly, named, schema_ref};

/// A page to read this document on.
#[utoipa::path(
    get, path = "/docs", operation_id = "getDocs", tag = "server",
    responses(
        (status = 200, description = "The page.", content_type = "text/html", body = String),
        (status = 401, description = "A page to sign in on.", content_type = "text/html", body = String),
    )
)]
pub(super) fn docs() {}

/// The dashboard.
#[utoipa::path(
    get, path = "/", operation_id = "getDashboard", tag = "server",
    responses(
        (status = 200, description = "The page.", content_type = "text/html", body = String),
        (status = 401, description = "A page to sign in on.", content_type = "text/html", body = String),
    )
)]
pub(super) fn dashboard() {}

pub(super) fn schemas() -> Map<String, Value> {
    let destination = exactly(
        "What became of a sample record at one destination.",
        json!({
            "id": { "type": "string" },
            "type": { "type": "string" },
            "delivered": { "type": "boolean" },
            "status": { "type": ["integer", "null"], "description": "The HTTP status, where there was an answer." },
            "latency_ms": { "type": ["number", "null"], "minimum": 0 },
            "error": { "type": ["string", "null"] },
        }),
    );
    let check = exactly(
        "One thing that was examined.",
        json!({
            "name": { "type": "string" },
            "verdict": { "type": "string", "enum": ["ok", "warning", "failed", "skipped"] },
            "found": { "type": "string" },
            "cure": { "type": ["string", "null"], "description": "What to do about it." },
        }),
    );
    let dependency = json!({
        "type": "object", "required": ["state"], "additionalProperties": false,
        "properties": {
            "state": { "type": "string", "enum": ["unknown", "up", "down"] },
            "reason": { "type": "string", "description": "Why it is down." },
        },
    });
    let count = json!({ "type": "integer", "minimum": 0 });
    let health = exactly(
        "That the process lives, and how what it depends on does.",
        json!({
            "status": { "const": "ok" },
            "version": { "type": "string" },
            "mongodb": schema_ref("Dependency"),
            "state_store": schema_ref("Dependency"),
            "watchers": exactly("Destinations that stream, of all.", json!({ "active": count, "total": count })),
        }),
    );
    named([
        (
            "Tested",
            exactly(
                "What became of a sample record.",
                json!({
                    "collection_name": { "type": "string" },
                    "destinations": { "type": "array", "items": schema_ref("TestedDestination") },
                }),
            ),
        ),
        ("TestedDestination", destination),
        (
            "DoctorReport",
            exactly(
                "What was found.",
                json!({ "checks": { "type": "array", "items": schema_ref("DoctorCheck") } }),
            ),
        ),
        ("DoctorCheck", check),
        ("Dependency", dependency),
        ("Health", health),
        (
            "Ready",
            exactly("It can do its work.", json!({ "status": { "const": "ready" } })),
        ),
    ])
}
