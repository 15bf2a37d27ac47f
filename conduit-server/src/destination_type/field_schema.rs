//! Fields as JSON Schema, for the documentation of the API.

use serde_json::{Map, Value, json};

use super::{Field, Shape};
use crate::destination_type::settings::MASK;

/// Which side of the API a schema is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// What is sent: what has a default may be left out or be `null`.
    Sent,
    /// What is answered: everything is there, secrets are masked.
    Answered,
}

/// Lets a value be `null` as well.
pub(crate) fn or_null(mut schema: Value) -> Value {
    let kind = schema.get("type").cloned();
    match (kind, schema.as_object_mut()) {
        (Some(Value::String(kind)), Some(object)) if !object.contains_key("const") => {
            object.insert("type".to_owned(), json!([kind, "null"]));
            if let Some(Value::Array(values)) = object.get_mut("enum") {
                values.push(Value::Null);
            }
            schema
        }
        _ => json!({ "anyOf": [schema, { "type": "null" }] }),
    }
}

/// Returns the schemas of fields by name, and the names of those that must be there.
pub(crate) fn schemas(fields: &[Field], side: Side) -> (Map<String, Value>, Vec<Value>) {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in fields {
        properties.insert(field.name.to_owned(), field.schema(side));
        if field.is_required || side == Side::Answered {
            required.push(json!(field.name));
        }
    }
    (properties, required)
}

impl Field {
    fn schema(&self, side: Side) -> Value {
        let mut schema = self.shape.schema(side);
        let is_always_there = match side {
            Side::Sent => self.is_required,
            Side::Answered => self.is_required || !self.default.is_null(),
        };
        if !is_always_there {
            schema = or_null(schema);
        }
        if let (Some(object), Some(example)) = (schema.as_object_mut(), self.example) {
            object.insert("examples".to_owned(), json!([example]));
        }
        if let Some(object) = schema.as_object_mut().filter(|_| !self.default.is_null()) {
            object.insert("default".to_owned(), self.default.clone());
        }
        schema
    }
}

impl Shape {
    fn schema(&self, side: Side) -> Value {
        let secret = || match side {
            Side::Sent => json!({ "$ref": "#/components/schemas/Secret" }),
            Side::Answered => json!({ "$ref": "#/components/schemas/ShownSecret" }),
        };
        match self {
            Self::Text => json!({ "type": "string", "minLength": 1 }),
            Self::Url => json!({ "type": "string", "format": "uri", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://",
                "description": "An http or https URL without user info or fragment." }),
            Self::Address => {
                json!({ "type": "string", "pattern": ":[0-9]+$", "description": "A host and a port." })
            }
            Self::Object => json!({ "type": "object", "additionalProperties": true }),
            Self::Integer(range) => {
                json!({ "type": "integer", "minimum": range.start(), "maximum": range.end() })
            }
            Self::Duration(_) => json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h)$",
                "description": self.expected() }),
            Self::Secret => secret(),
            Self::Secrets { most } => {
                let several = json!({ "type": "array", "items": secret(), "minItems": 1, "maxItems": most });
                match side {
                    Side::Sent => json!({ "anyOf": [secret(), several] }),
                    Side::Answered => several,
                }
            }
            Self::SecretMap => json!({ "type": "object", "additionalProperties": secret() }),
            Self::Group(members) => {
                let (properties, required) = schemas(members, side);
                json!({ "type": "object", "properties": properties, "required": required,
                    "additionalProperties": false })
            }
        }
    }
}

/// The schema of a secret as it is sent.
pub(crate) fn sent_secret() -> Value {
    json!({
        "description": format!(
            "A text; or the name of an environment variable or of a file, where the server finds it. {MASK:?} keeps the \
             stored one."
        ),
        "anyOf": [{ "type": "string", "minLength": 1 }, reference("env"), reference("file")],
    })
}

/// The schema of a secret as it is shown.
pub(crate) fn shown_secret() -> Value {
    json!({
        "description": "A text is masked; where a secret is found is none, and is shown.",
        "anyOf": [{ "type": "string", "const": MASK }, reference("env"), reference("file")],
    })
}

fn reference(kind: &str) -> Value {
    let name = match kind {
        "env" => json!({ "type": "string", "maxLength": 255, "pattern": "^CONDUIT_DEST_[A-Za-z0-9_]+$" }),
        _ => json!({ "type": "string", "maxLength": 255, "pattern": "^\\.?[A-Za-z0-9_-][A-Za-z0-9._-]*$",
            "description": "The name of a file in CONDUIT_SECRETS_DIR." }),
    };
    json!({ "type": "object", "properties": { kind: name }, "required": [kind], "additionalProperties": false })
}
