//! The fields of a destination's type, as they were read.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::SettingFault;
use super::stored_secret::{StoredSecret, change_secrets, field_of, reveal};
use crate::catalog::parse_duration;
use crate::secrets::{NoRandomness, SecretKeys, SecretPlace, SecretSources};

/// What is shown in place of a secret; sent back, it keeps the stored one.
pub(crate) const MASK: &str = "********";
/// What a configuration is checked with in place of a secret that is not at hand: it has the form that the built-in types ask
/// for.
const STAND_IN: &str = "whsec_c3RhbmRzIGluIGZvciBhbm90aGVyIHNlY3JldA==";

/// Why a secret is not at hand that is stored encrypted.
const UNDECRYPTED: &str = "is stored encrypted and cannot be decrypted here: set CONDUIT_SECRET_KEY to the key that it was \
                           encrypted with, or configure the secret again";

/// Why a secret is not at hand that another version stored.
const UNKNOWN_FORM: &str = "is stored in a form that this version does not know: configure the secret again";

/// The values of a type's own fields; secrets are shown in none of its forms but by [`secret`](Self::secret) and its like.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct DestinationSettings(Map<String, Value>);

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

    /// Encrypts the secrets of a destination, for storing; without a key they stay as they are.
    pub(crate) fn seal(
        &mut self,
        keys: &SecretKeys,
        (collection, destination): (&str, &str),
    ) -> Result<(), NoRandomness> {
        let mut done = Ok(());
        change_secrets(&mut self.0, &mut |path, secret| {
            let place = SecretPlace {
                collection,
                destination,
                path,
            };
            let StoredSecret::Plain(secret) = secret else {
                return None;
            };
            let sealed = keys.seal(&secret, place).unwrap_or_else(|failure| {
                done = Err(failure);
                None
            });
            sealed.map(StoredSecret::Sealed)
        });
        done
    }

    /// Decrypts the secrets of a stored destination; what cannot be decrypted stays as it is. Returns whether all secrets
    /// were stored as they would be stored now.
    pub(crate) fn open(&mut self, keys: &SecretKeys, (collection, destination): (&str, &str)) -> bool {
        let mut is_current = true;
        change_secrets(&mut self.0, &mut |path, secret| {
            let place = SecretPlace {
                collection,
                destination,
                path,
            };
            match secret {
                StoredSecret::Plain(_) => {
                    is_current &= keys.is_empty();
                    None
                }
                StoredSecret::Sealed(sealed) => {
                    let opened = keys.open(&sealed, place)?;
                    is_current &= opened.is_current;
                    Some(StoredSecret::Plain(opened.secret))
                }
                StoredSecret::Reference(_) | StoredSecret::Unknown(_) => None,
            }
        });
        is_current
    }

    /// Reads the secrets that references name, so that every secret is at hand.
    ///
    /// # Errors
    /// Every secret that is not to be had here, and why.
    pub(crate) fn resolve(&self, sources: &SecretSources) -> Result<Self, Vec<SettingFault>> {
        let mut resolved = self.clone();
        let mut faults = Vec::new();
        change_secrets(&mut resolved.0, &mut |path, secret| {
            let read = match secret {
                StoredSecret::Plain(_) => return None,
                StoredSecret::Sealed(_) => Err(UNDECRYPTED.to_owned()),
                StoredSecret::Reference(reference) => sources.read(&reference),
                StoredSecret::Unknown(_) => Err(UNKNOWN_FORM.to_owned()),
            };
            let fault = |message| faults.push(SettingFault::new(field_of(path), message));
            read.map_err(fault).ok().map(StoredSecret::Plain)
        });
        if faults.is_empty() {
            Ok(resolved)
        } else {
            Err(faults)
        }
    }

    /// Puts a stand-in wherever a secret is not at hand, to check everything else. Returns the fields that have one.
    pub(crate) fn with_stand_ins(&self) -> (Self, Vec<String>) {
        let mut filled = self.clone();
        let mut fields = Vec::new();
        change_secrets(&mut filled.0, &mut |path, secret| match secret {
            StoredSecret::Plain(_) => None,
            StoredSecret::Sealed(_) | StoredSecret::Reference(_) | StoredSecret::Unknown(_) => {
                fields.push(field_of(path));
                Some(StoredSecret::Plain(STAND_IN.to_owned()))
            }
        });
        (filled, fields)
    }

    /// How many secrets are there as they are, and how many encrypted.
    pub(crate) fn count_secrets(&self) -> (usize, usize) {
        let (mut plain, mut sealed) = (0, 0);
        change_secrets(&mut self.0.clone(), &mut |_, secret| {
            match secret {
                StoredSecret::Plain(_) => plain += 1,
                StoredSecret::Sealed(_) => sealed += 1,
                StoredSecret::Reference(_) | StoredSecret::Unknown(_) => {}
            }
            None
        });
        (plain, sealed)
    }

    /// Returns everything as the API shows it: secrets masked, references as they are.
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

impl DestinationSettings {
    /// Returns the fields that differ: their path, and both values as they are shown. Secrets are compared as they are, so
    /// two that look alike may differ.
    pub(crate) fn differences(&self, other: &Self) -> Vec<(String, Value, Value)> {
        let mut found = Vec::new();
        compare_members("", (&self.0, &other.0), &mut found);
        found
    }
}

fn compare_members(
    path: &str,
    (old, new): (&Map<String, Value>, &Map<String, Value>),
    found: &mut Vec<(String, Value, Value)>,
) {
    let of = |object: &Map<String, Value>, name: &str| object.get(name).cloned().unwrap_or_default();
    let added = new.keys().filter(|name| !old.contains_key(*name));
    for name in old.keys().chain(added) {
        let (old, new) = (of(old, name), of(new, name));
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        match (&old, &new, mask(&old), mask(&new)) {
            _ if old == new => {}
            // A secret looks like an object, and is shown as none.
            (Value::Object(old), Value::Object(new), Value::Object(_), Value::Object(_)) => {
                compare_members(&path, (old, new), found);
            }
            (_, _, from, to) => found.push((path, from, to)),
        }
    }
}

fn mask(value: &Value) -> Value {
    match StoredSecret::of(value) {
        Some(StoredSecret::Reference(reference)) => return reference.show(),
        Some(_) => return Value::String(MASK.to_owned()),
        None => {}
    }
    match value {
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
