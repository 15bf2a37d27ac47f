//! Event patterns, and what trying one comes to.

use serde_json::{Map, Value, json};

use super::document::{exactly, named, schema_ref};

pub(super) fn schemas() -> Map<String, Value> {
    named([
        ("FilterCriteria", criteria()),
        ("FieldPattern", field_pattern()),
        ("Matcher", matcher()),
        ("FilterTrial", trial()),
        ("FilterVerdict", verdict()),
        ("Explanation", explanation()),
    ])
}

fn criteria() -> Value {
    json!({
        "type": "object", "minProperties": 1,
        "description": "An EventBridge event pattern over `new_image` and `old_image` (or `newImage`, `oldImage`), of at most \
                        8 KiB. A destination's may look at old images only where the collection has `old_image: true`.",
        "properties": { "$or": { "type": "array", "minItems": 2, "items": schema_ref("FilterCriteria") } },
        "patternProperties": { "^(new|old)(_i|I)mage(\\.|$)": schema_ref("FieldPattern") },
        "additionalProperties": false,
        "examples": [{ "new_image": { "status": ["paid"], "total": [{ "numeric": [">", 100] }] } }],
    })
}

fn field_pattern() -> Value {
    json!({
        "description": "What a field may be: a list of which one must match, or an object of fields of which all must.",
        "anyOf": [
            { "type": "array", "minItems": 1, "items": schema_ref("Matcher") },
            {
                "type": "object", "minProperties": 1, "additionalProperties": schema_ref("FieldPattern"),
                "properties": { "$or": { "type": "array", "minItems": 2, "items": { "allOf": [
                    schema_ref("FieldPattern"), { "type": "object" },
                ] } } },
            },
        ],
    })
}

fn operator(name: &str, value: Value) -> Value {
    json!({ "type": "object", "required": [name], "properties": { name: value }, "additionalProperties": false })
}

fn matcher() -> Value {
    let text = || json!({ "type": "string" });
    // Every string begins and ends with an empty one: nothing would match.
    let texts = |least: u32| {
        let one = json!({ "type": "string", "minLength": least });
        json!({ "anyOf": [one, { "type": "array", "minItems": 1, "items": one }] })
    };
    let affix = || json!({ "anyOf": [text(), operator("equals-ignore-case", text())] });
    let pair = |signs: Value| json!([{ "enum": signs }, { "type": "number" }]);
    let range = |items: Value, count: usize| json!({ "type": "array", "prefixItems": items, "minItems": count, "maxItems": count });
    let mut both = pair(json!([">", ">="]));
    if let (Value::Array(lower), Value::Array(upper)) = (&mut both, pair(json!(["<", "<="]))) {
        lower.extend(upper);
    }
    let numeric = json!({ "anyOf": [range(pair(json!(["=", "<", "<=", ">", ">="])), 2), range(both, 4)] });
    let but = json!({ "anyOf": [
        text(), { "type": "number" },
        { "type": "array", "minItems": 1, "items": { "type": "string" } },
        { "type": "array", "minItems": 1, "items": { "type": "number" } },
        operator("prefix", texts(1)), operator("suffix", texts(1)), operator("equals-ignore-case", texts(0)),
        operator("wildcard", texts(0)),
    ] });
    json!({
        "description": "A value, or an operator.",
        "anyOf": [
            { "type": ["string", "number", "boolean", "null"] },
            operator("prefix", affix()), operator("suffix", affix()), operator("equals-ignore-case", text()),
            operator("exactly", text()), operator("wildcard", text()), operator("anything-but", but),
            operator("numeric", numeric), operator("exists", json!({ "type": "boolean" })),
            operator("cidr", json!({ "type": "string", "examples": ["10.0.0.0/8"] })),
        ],
    })
}

fn trial() -> Value {
    let image = json!({ "type": ["object", "null"] });
    let any = json!({});
    json!({
        "type": "object", "required": ["filter_criteria", "record"], "additionalProperties": false,
        "properties": {
            "filter_criteria": schema_ref("FilterCriteria"),
            "record": {
                "type": "object", "additionalProperties": false,
                "description": "A record, of which only the images are looked at.",
                "properties": {
                    "newImage": image, "oldImage": image, "eventID": any, "eventVersion": any, "tableName": any,
                    "recordType": any, "keys": any, "timestamp": any, "sequenceNumber": any,
                },
            },
        },
        "examples": [{
            "filter_criteria": { "new_image": { "total": [{ "numeric": [">", 100] }] } },
            "record": { "newImage": { "total": 120 } },
        }],
    })
}

fn verdict() -> Value {
    exactly(
        "Whether the record matches, and why.",
        json!({
            "matches": { "type": "boolean" },
            "explain": { "type": "array", "items": schema_ref("Explanation") },
        }),
    )
}

fn explanation() -> Value {
    exactly(
        "What became of one field of a pattern.",
        json!({
            "path": { "type": "string", "examples": ["new_image.total"] },
            "operator": { "type": "string", "examples": ["numeric"] },
            "matched": { "type": "boolean" },
            "found": { "description": "What the record has there; null if nothing." },
        }),
    )
}
