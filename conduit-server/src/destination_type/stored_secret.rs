//! The forms in which a secret stands among the values of a destination.

use serde_json::{Map, Value, json};

use crate::secrets::SecretReference;

/// What names of members begin with that mark secrets among stored values: nobody else's may.
pub(super) const RESERVED_PREFIX: &str = "conduit:";
const PLAIN: &str = "conduit:secret";
const SEALED: &str = "conduit:sealed";
const REFERENCE: &str = "conduit:reference";

/// A secret among the values of a destination.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum StoredSecret {
    /// The secret itself.
    Plain(String),
    /// Encrypted. In memory only if it could not be decrypted: it is kept as it is.
    Sealed(String),
    /// Where the worker finds it.
    Reference(SecretReference),
    /// In a form that this version does not know, and keeps.
    Unknown(Value),
}

impl StoredSecret {
    /// Reads a secret; `None` if the value is something else.
    pub(super) fn of(value: &Value) -> Option<Self> {
        let (name, inner) = value.as_object()?.iter().next()?;
        if !name.starts_with(RESERVED_PREFIX) {
            return None;
        }
        let known = match (name.as_str(), inner) {
            (PLAIN, Value::String(secret)) => Some(Self::Plain(secret.clone())),
            (SEALED, Value::String(text)) => Some(Self::Sealed(text.clone())),
            (REFERENCE, reference) => SecretReference::read(reference).ok().map(Self::Reference),
            _ => None,
        };
        Some(known.unwrap_or_else(|| Self::Unknown(value.clone())))
    }

    pub(super) fn into_value(self) -> Value {
        match self {
            Self::Plain(secret) => json!({ PLAIN: secret }),
            Self::Sealed(text) => json!({ SEALED: text }),
            Self::Reference(reference) => json!({ REFERENCE: reference.show() }),
            Self::Unknown(value) => value,
        }
    }
}

/// The secret itself, where it is at hand.
pub(super) fn reveal(value: &Value) -> Option<&str> {
    value.get(PLAIN)?.as_str()
}

/// Replaces secrets by what `change` makes of them, which is told each one's path: fields, indexes as `[0]`, names of a map.
/// What it makes nothing of stays.
pub(super) fn change_secrets(
    values: &mut Map<String, Value>,
    change: &mut dyn FnMut(&[String], StoredSecret) -> Option<StoredSecret>,
) {
    let mut path = Vec::new();
    for (name, value) in values {
        walk(name.clone(), value, &mut path, change);
    }
}

/// Writes a path as faults name fields: `headers.x-key`, `signing_secret[0]`.
pub(super) fn field_of(path: &[String]) -> String {
    path.join(".").replace(".[", "[")
}

fn walk(
    name: String,
    value: &mut Value,
    path: &mut Vec<String>,
    change: &mut dyn FnMut(&[String], StoredSecret) -> Option<StoredSecret>,
) {
    path.push(name);
    if let Some(secret) = StoredSecret::of(value) {
        if let Some(changed) = change(path, secret) {
            *value = changed.into_value();
        }
    } else if let Value::Object(members) = value {
        for (name, member) in members {
            walk(name.clone(), member, path, change);
        }
    } else if let Value::Array(items) = value {
        for (index, item) in items.iter_mut().enumerate() {
            walk(format!("[{index}]"), item, path, change);
        }
    }
    path.pop();
}

/// Whether a name that is ours alone stands anywhere in a value.
pub(super) fn has_reserved_name(value: &Value) -> bool {
    match value {
        Value::Object(members) => members
            .iter()
            .any(|(name, member)| name.starts_with(RESERVED_PREFIX) || has_reserved_name(member)),
        Value::Array(items) => items.iter().any(has_reserved_name),
        _ => false,
    }
}
