//! The fields of a destination's type, as they were read.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::catalog::parse_duration;

/// What is shown in place of a secret; sent back, it keeps the stored one.
pub(crate) const MASK: &str = "********";
/// Marks a secret among stored values.
const SECRET: &str = "conduit:secret";

/// The values of a type's own fields; secrets are shown in none of its forms but by [`secret`](Self::secret) and its like.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct DestinationSettings(Map<String, Value>);

/// Wraps a secret, so that nothing shows it.
pub(super) fn hide(secret: String) -> Value {
    json!({ SECRET: secret })
}

fn reveal(value: &Value) -> Option<&str> {
    value.get(SECRET)?.as_str()
}

impl DestinationSettings {
    pub(super) fn new(values: Map<String, Value>) -> Self {
        Self(values)
    }

    /// Finds a value by its path, such as `batch.max_records`; `None` if it is absent or `null`.
    fn get(&self, path: &str) -> Option<&Value> {
        let mut parts = path.split('.');
        let first = self.0.get(parts.next()?)?;
        let found = parts.try_fold(first, |value, part| value.get(part))?;
        (!found.is_null()).then_some(found)
    }

    pub(super) fn raw(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or(&Value::Null)
    }

    /// Whether a field is there.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.get(path).is_some()
    }

    /// Returns a text or a URL.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&str> {
        self.get(path)?.as_str()
    }

    /// Returns a whole number.
    #[must_use]
    pub fn integer(&self, path: &str) -> Option<u64> {
        self.get(path)?.as_u64()
    }

    /// Returns a duration.
    #[must_use]
    pub fn duration(&self, path: &str) -> Option<Duration> {
        parse_duration(self.text(path)?).ok()
    }

    /// Returns a JSON object.
    #[must_use]
    pub fn object(&self, path: &str) -> Option<&Map<String, Value>> {
        self.get(path)?.as_object()
    }

    /// Returns a secret.
    #[must_use]
    pub fn secret(&self, path: &str) -> Option<&str> {
        reveal(self.get(path)?)
    }

    /// Returns the secrets of a list, in order.
    #[must_use]
    pub fn secrets(&self, path: &str) -> Vec<&str> {
        let values = self.get(path).and_then(Value::as_array);
        values.into_iter().flatten().filter_map(reveal).collect()
    }

    /// Returns the secrets of a map, by name.
    #[must_use]
    pub fn secret_map(&self, path: &str) -> Vec<(&str, &str)> {
        let values = self.get(path).and_then(Value::as_object);
        let each = values.into_iter().flatten();
        each.filter_map(|(name, value)| Some((name.as_str(), reveal(value)?)))
            .collect()
    }

    /// Returns everything as the API shows it, secrets masked.
    #[must_use]
    pub fn shown(&self) -> Value {
        Value::Object(
            self.0
                .iter()
                .map(|(name, value)| (name.clone(), mask(value)))
                .collect(),
        )
    }
}

fn mask(value: &Value) -> Value {
    match value {
        secret if reveal(secret).is_some() => Value::String(MASK.to_owned()),
        Value::Object(object) => object
            .iter()
            .map(|(name, value)| (name.clone(), mask(value)))
            .collect(),
        Value::Array(values) => values.iter().map(mask).collect(),
        other => other.clone(),
    }
}

impl fmt::Debug for DestinationSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.shown())
    }
}

/// Stored as text: what a type takes as an object may have names that a database does not take.
impl Serialize for DestinationSettings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = serde_json::to_string(&self.0).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for DestinationSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // What cannot be read may hold a secret, which the error would quote.
        let unreadable = |_| serde::de::Error::custom("the settings of a destination cannot be read");
        serde_json::from_str(&text).map(Self).map_err(unreadable)
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
