//! What a Meilisearch destination is configured with.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::http::{Endpoint, MAX_TIMEOUT, authorization};
use crate::{ConfigFault, InvalidConfig, Secret};

/// How long a call may take if the configuration does not say: its tasks wait behind others, and a large one is worked on
/// for minutes.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);

/// The longest name of an index, in bytes.
const MAX_INDEX_NAME: usize = 400;

/// The settings of a Meilisearch destination; [`MeilisearchSink::new`](super::MeilisearchSink::new) checks them.
#[derive(Clone)]
#[non_exhaustive]
pub struct MeilisearchConfig {
    /// Where the server is: `http` or `https`, with a host, without user info or query. A path is kept: the API is below it.
    pub endpoint: String,
    /// The API key, sent as `Authorization: Bearer <key>`: visible ASCII characters. It needs the actions `documents.add`,
    /// `documents.delete`, `indexes.get`, `indexes.create`, `tasks.get`, and with `settings` also `settings.update`.
    pub bearer_token: Option<Secret>,
    /// The index, 1 to 400 bytes of `[A-Za-z0-9_-]`. A host gives the collection's name where its user says nothing.
    pub index_name: String,
    /// Given to the index as they are, before the first document; never read.
    pub settings: Option<Map<String, Value>>,
    /// How long one call may take, with the wait for its tasks. Default 5 minutes, at most an hour.
    pub timeout: Duration,
}

impl MeilisearchConfig {
    /// Makes settings with the defaults for everything but the server and the index.
    #[must_use]
    pub fn new(endpoint: impl Into<String>, index_name: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            bearer_token: None,
            index_name: index_name.into(),
            settings: None,
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// Sets the API key.
    #[must_use]
    pub fn with_bearer_token(mut self, token: impl Into<Secret>) -> Self {
        self.bearer_token = Some(token.into());
        self
    }

    /// Sets the settings of the index.
    #[must_use]
    pub fn with_settings(mut self, settings: Map<String, Value>) -> Self {
        self.settings = Some(settings);
        self
    }

    /// Sets how long one call may take.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Checks every field.
    ///
    /// # Errors
    /// With all faults at once, each naming its field: `endpoint`, `bearer_token`, `index_name` or `timeout`.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        self.check().map(|_| ())
    }

    /// Checks every field and returns the endpoint in the form that requests need.
    pub(super) fn check(&self) -> Result<Endpoint, InvalidConfig> {
        let mut faults = Vec::new();
        let endpoint = Endpoint::parse(&self.endpoint).and_then(|endpoint| match endpoint.uri().query() {
            Some(_) => Err("cannot have a query"),
            None => Ok(endpoint),
        });
        if let Err(message) = &endpoint {
            faults.push(ConfigFault::new("endpoint", *message));
        }
        faults.extend(
            self.bearer_token
                .as_ref()
                .and_then(|token| authorization(token).err()),
        );
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !(1..=MAX_INDEX_NAME).contains(&self.index_name.len()) || !self.index_name.bytes().all(is_allowed)
        {
            faults.push(ConfigFault::new(
                "index_name",
                format!(
                    "must be 1 to {MAX_INDEX_NAME} letters, digits, hyphens and underscores; a collection whose name is \
                     not needs an index_name of its own"
                ),
            ));
        }
        if self.timeout.is_zero() || self.timeout > MAX_TIMEOUT {
            let seconds = MAX_TIMEOUT.as_secs();
            faults.push(ConfigFault::new(
                "timeout",
                format!("must be more than 0 and at most {seconds}s"),
            ));
        }
        match endpoint {
            Ok(endpoint) if faults.is_empty() => Ok(endpoint),
            _ => Err(InvalidConfig::new(faults)),
        }
    }
}

/// Shows no secret: not the key, nor the endpoint's user info and query, nor the settings' values, among which there can
/// be keys of other services.
impl fmt::Debug for MeilisearchConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = Endpoint::parse(&self.endpoint);
        let settings = self
            .settings
            .as_ref()
            .map(|settings| settings.keys().collect::<Vec<_>>());
        f.debug_struct("MeilisearchConfig")
            .field(
                "endpoint",
                &endpoint.as_ref().map_or("(not valid)", Endpoint::shown),
            )
            .field("bearer_token", &self.bearer_token)
            .field("index_name", &self.index_name)
            .field("settings", &settings)
            .field("timeout", &self.timeout)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_named_at_once() {
        let refused = MeilisearchConfig::new("http://localhost:7700/?key=x", "ord ers")
            .with_bearer_token("two words")
            .with_timeout(Duration::ZERO)
            .validate()
            .unwrap_err();
        let fields: Vec<&str> = refused.faults().iter().map(|fault| fault.field).collect();
        assert_eq!(fields, ["endpoint", "bearer_token", "index_name", "timeout"]);
        assert!(
            refused
                .to_string()
                .starts_with("endpoint: cannot have a query; bearer_token: "),
            "{refused}"
        );
    }

    #[test]
    fn an_index_name_has_letters_digits_hyphens_and_underscores() {
        let check = |name: &str| MeilisearchConfig::new("http://localhost:7700", name).validate();
        for good in ["a", "Orders_2026-eu", &"x".repeat(MAX_INDEX_NAME)] {
            assert!(check(good).is_ok(), "{good} was refused");
        }
        for bad in ["", "a.b", "a b", "ä", "a/b", &"x".repeat(MAX_INDEX_NAME + 1)] {
            assert!(check(bad).is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn neither_the_debug_form_nor_a_fault_shows_a_secret() {
        let mut settings = Map::new();
        settings.insert(
            "embedders".to_owned(),
            serde_json::json!({"a": {"apiKey": "hidden3"}}),
        );
        let config = MeilisearchConfig::new("https://me:hidden1@example.com/?k=hidden2", "users")
            .with_bearer_token("hidden4\n")
            .with_settings(settings);
        assert!(!format!("{config:?}").contains("hidden"), "{config:?}");
        assert!(format!("{config:?}").contains("embedders"), "{config:?}");
        assert!(!format!("{:?}", config.validate().unwrap_err()).contains("hidden"));
    }
}
