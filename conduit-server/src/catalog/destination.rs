//! A destination's configuration.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use conduit_core::{DestinationId, RecordKey, RecordType};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::endpoint::check_endpoint;
use super::faults::{Faults, Fields, kind_of, parse_duration, show_duration};

/// What is shown in place of a secret; sent back, it keeps the stored one.
pub(crate) const MASK: &str = "********";

/// A validated destination.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Destination {
    pub(crate) id: DestinationId,
    #[serde(rename = "type")]
    pub(crate) kind: DestinationKind,
    pub(crate) event_types: Vec<RecordType>,
    pub(crate) max_retries: u32,
    pub(crate) endpoint: String,
    pub(crate) bearer_token: Option<StoredSecret>,
    pub(crate) timeout_ms: u64,
}

/// The types of destinations that this version has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DestinationKind {
    /// An HTTP endpoint.
    Http,
}

/// A secret as it is stored; never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct StoredSecret(String);

impl StoredSecret {
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for StoredSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(MASK)
    }
}

const ALL_TYPES: [RecordType; 3] = [RecordType::Insert, RecordType::Modify, RecordType::Remove];
const KNOWN: &str = "type, id, event_types, filter_criteria, max_retries, format, endpoint, bearer_token, \
                     signing_secret, headers, timeout, batch";
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

impl Destination {
    /// Reads the destinations of a body; ids that come out alike are faults.
    pub(crate) fn read_all(values: Vec<Value>, stored: &[Self], faults: &mut Faults) -> Vec<Self> {
        let mut destinations = Vec::new();
        let mut seen: HashMap<DestinationId, usize> = HashMap::new();
        for (index, value) in values.into_iter().enumerate() {
            let path = format!("destinations[{index}]");
            let Some(destination) = Self::read(value, &path, stored, faults) else {
                continue;
            };
            if let Some(first) = seen.insert(destination.id.clone(), index) {
                let id = &destination.id;
                let message =
                    format!("destinations[{first}] has the id {id:?} too: give each an `id` of its own");
                faults.add(format!("{path}.id"), message);
            }
            destinations.push(destination);
        }
        destinations
    }

    fn read(value: Value, path: &str, stored: &[Self], faults: &mut Faults) -> Option<Self> {
        let mut fields = Fields::of(value, path, faults)?;
        let kind = read_kind(&mut fields)?;
        let given_id = fields.string("id");
        let event_types = read_event_types(&mut fields);
        let max_retries = fields.integer("max_retries", 0..=20, 5);
        match fields.string("format").as_deref() {
            None | Some("conduit") => {}
            Some("cloudevents") => fields.fault("format", "this version does not have cloudevents yet"),
            Some(_) => fields.fault("format", "must be \"conduit\" or \"cloudevents\""),
        }
        let endpoint = read_endpoint(&mut fields);
        let timeout = read_timeout(&mut fields);
        let token = fields.string("bearer_token");
        for unbuilt in ["filter_criteria", "signing_secret", "headers", "batch"] {
            fields.refuse_unbuilt(unbuilt);
        }
        let id = match given_id {
            Some(id) => DestinationId::new(id)
                .map_err(|_| fields.fault("id", "must be 1 to 64 of the characters a-z, 0-9 and -"))
                .ok(),
            None => endpoint.as_ref().map(made_id),
        };
        let stored = id
            .as_ref()
            .and_then(|id| stored.iter().find(|stored| stored.id == *id));
        let bearer_token = match token {
            Some(token) if token == MASK => kept_secret(&mut fields, stored, endpoint.as_ref()),
            Some(token) => checked_token(&mut fields, token),
            None => None,
        };
        fields.finish(KNOWN);
        Some(Self {
            id: id?,
            kind,
            event_types,
            max_retries: u32::try_from(max_retries).unwrap_or(20),
            endpoint: endpoint?.to_string(),
            bearer_token,
            timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// Returns what the API shows.
    pub(crate) fn show(&self) -> Value {
        json!({
            "id": self.id,
            "type": self.kind,
            "event_types": self.event_types,
            "max_retries": self.max_retries,
            "format": "conduit",
            "endpoint": self.endpoint,
            "bearer_token": self.bearer_token.as_ref().map(|_| MASK),
            "timeout": show_duration(self.timeout()),
        })
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    pub(crate) fn wants_all_types(&self) -> bool {
        ALL_TYPES.iter().all(|wanted| self.event_types.contains(wanted))
    }

    /// Tells one configuration from another, so that a change restarts the subscription.
    pub(crate) fn revision(&self) -> u64 {
        // Serializing plain data to a string cannot fail; if it did, the destination would merely not restart.
        let text = serde_json::to_string(self).unwrap_or_default();
        RecordKey::of(text.as_bytes()).lane(usize::MAX) as u64
    }
}

fn read_kind(fields: &mut Fields<'_>) -> Option<DestinationKind> {
    let value = fields.take("type");
    let message = match value.as_ref() {
        None => "is required: this version has \"http\"".to_owned(),
        Some(Value::String(kind)) => match kind.as_str() {
            "http" => return Some(DestinationKind::Http),
            "eventbridge" | "meilisearch" | "stdout" | "file" => {
                format!("this version does not have {kind:?} yet: it has \"http\"")
            }
            _ => format!("unknown type {kind:?}: this version has \"http\""),
        },
        Some(other) => format!("must be a string, not {}", kind_of(other)),
    };
    fields.fault("type", message);
    None
}

fn read_event_types(fields: &mut Fields<'_>) -> Vec<RecordType> {
    let Some(values) = fields.array("event_types") else {
        return ALL_TYPES.to_vec();
    };
    let mut wanted = HashSet::new();
    for (index, value) in values.iter().enumerate() {
        match value.as_str() {
            Some("INSERT") => wanted.insert(RecordType::Insert),
            Some("MODIFY") => wanted.insert(RecordType::Modify),
            Some("REMOVE" | "DELETE") => wanted.insert(RecordType::Remove),
            _ => {
                let place = format!("event_types[{index}]");
                fields.fault(&place, "must be \"INSERT\", \"MODIFY\" or \"REMOVE\"");
                continue;
            }
        };
    }
    if values.is_empty() {
        fields.fault("event_types", "cannot be empty: leave it out for all types");
    }
    ALL_TYPES
        .into_iter()
        .filter(|kind| wanted.contains(kind))
        .collect()
}

fn read_endpoint(fields: &mut Fields<'_>) -> Option<Url> {
    let message = match fields.take("endpoint") {
        None => "is required: an http or https URL".to_owned(),
        Some(Value::String(text)) => match check_endpoint(&text) {
            Ok(url) => return Some(url),
            Err(message) => message,
        },
        Some(other) => format!("must be a string, not {}", kind_of(&other)),
    };
    fields.fault("endpoint", message);
    None
}

fn read_timeout(fields: &mut Fields<'_>) -> Duration {
    let Some(text) = fields.string("timeout") else {
        return DEFAULT_TIMEOUT;
    };
    match parse_duration(&text) {
        Ok(timeout) if timeout.is_zero() => fields.fault("timeout", "must be longer than 0"),
        Ok(timeout) if timeout > Duration::from_secs(300) => fields.fault("timeout", "must be at most 5m"),
        Ok(timeout) => return timeout,
        Err(message) => fields.fault("timeout", message),
    }
    DEFAULT_TIMEOUT
}

fn checked_token(fields: &mut Fields<'_>, token: String) -> Option<StoredSecret> {
    let is_legal = !token.is_empty() && token.bytes().all(|byte| (0x21..0x7f).contains(&byte));
    if !is_legal {
        fields.fault("bearer_token", "must be visible ASCII characters without blanks");
        return None;
    }
    Some(StoredSecret(token))
}

/// The stored secret behind a mask, which only goes to the origin that it was given for.
fn kept_secret(
    fields: &mut Fields<'_>,
    stored: Option<&Destination>,
    endpoint: Option<&Url>,
) -> Option<StoredSecret> {
    let kept = stored.and_then(|stored| stored.bearer_token.clone());
    let Some(kept) = kept else {
        fields.fault(
            "bearer_token",
            "there is no stored secret to keep: send the secret itself",
        );
        return None;
    };
    let stored_origin = stored
        .and_then(|stored| Url::parse(&stored.endpoint).ok())
        .map(|url| url.origin());
    if endpoint.is_some_and(|endpoint| Some(endpoint.origin()) != stored_origin) {
        fields.fault(
            "bearer_token",
            "the stored secret is not sent to another origin: send the secret itself",
        );
        return None;
    }
    Some(kept)
}

/// An id made of the type and the target; never of a query, which may hold credentials.
fn made_id(endpoint: &Url) -> DestinationId {
    let target = format!(
        "http\n{}{}",
        endpoint.origin().ascii_serialization(),
        endpoint.path()
    );
    let id = format!("http-{}", &RecordKey::of(target.as_bytes()).to_string()[..4]);
    // Made of legal characters only.
    #[allow(clippy::expect_used)]
    DestinationId::new(id).expect("a made id is legal")
}

#[cfg(test)]
#[path = "destination_tests.rs"]
mod tests;
