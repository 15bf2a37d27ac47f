//! What an HTTP destination is configured with.

use std::fmt;
use std::time::Duration;

use super::endpoint::Endpoint;
use crate::{ConfigFault, InvalidConfig, Secret};

/// How long a request may take if the configuration does not say.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest time-out that is accepted: a record that hangs keeps later records of its document waiting.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(3600);

/// The settings of an HTTP destination; [`HttpSink::new`](super::HttpSink::new) checks them.
#[derive(Clone)]
#[non_exhaustive]
pub struct HttpConfig {
    /// Where records are posted to: `http` or `https`, with a host, without user info. A query is kept.
    pub endpoint: String,
    /// Sent as `Authorization: Bearer <token>`: visible ASCII characters.
    pub bearer_token: Option<Secret>,
    /// How long a request may take, from connecting to the head of the answer. Default 30 seconds, at most an hour.
    pub timeout: Duration,
}

impl HttpConfig {
    /// Makes settings with the defaults for everything but the endpoint.
    #[must_use]
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            bearer_token: None,
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// Sets the bearer token.
    #[must_use]
    pub fn with_bearer_token(mut self, token: impl Into<Secret>) -> Self {
        self.bearer_token = Some(token.into());
        self
    }

    /// Sets the time-out.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Checks every field.
    ///
    /// # Errors
    /// With all faults at once, each naming its field: `endpoint`, `bearer_token` or `timeout`.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        self.check().map(|_| ())
    }

    /// Checks every field and returns the endpoint in the form that requests need.
    pub(super) fn check(&self) -> Result<Endpoint, InvalidConfig> {
        let mut faults = Vec::new();
        let endpoint = Endpoint::parse(&self.endpoint);
        if let Err(message) = &endpoint {
            faults.push(ConfigFault::new("endpoint", *message));
        }
        faults.extend(check_bearer_token(self.bearer_token.as_ref()));
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

/// Says what is wrong with a bearer token, if anything is.
pub(crate) fn check_bearer_token(token: Option<&Secret>) -> Option<ConfigFault> {
    let token = token?.reveal();
    let message = if token.is_empty() {
        "cannot be empty"
    } else if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        "can only hold visible ASCII characters"
    } else {
        return None;
    };
    Some(ConfigFault::new("bearer_token", message))
}

/// Shows no secret: not the token, nor the endpoint's user info and query, which often are one.
impl fmt::Debug for HttpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = Endpoint::parse(&self.endpoint);
        f.debug_struct("HttpConfig")
            .field(
                "endpoint",
                &endpoint.as_ref().map_or("(not valid)", Endpoint::shown),
            )
            .field("bearer_token", &self.bearer_token)
            .field("timeout", &self.timeout)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_named_at_once() {
        let refused = HttpConfig::new("ftp://example.com")
            .with_bearer_token("two words")
            .with_timeout(Duration::ZERO)
            .validate()
            .unwrap_err();
        let fields: Vec<&str> = refused.faults().iter().map(|fault| fault.field).collect();
        assert_eq!(fields, ["endpoint", "bearer_token", "timeout"]);
        let text = refused.to_string();
        assert!(
            text.starts_with("endpoint: must begin with http:// or https://; bearer_token: "),
            "{text}"
        );
    }

    #[test]
    fn neither_the_debug_form_nor_a_fault_shows_a_secret() {
        let config = HttpConfig::new("https://example.com/in?key=hidden1").with_bearer_token("hidden2\n");
        assert!(!format!("{config:?}").contains("hidden"), "{config:?}");
        assert!(!format!("{:?}", config.validate().unwrap_err()).contains("hidden"));
        let config = HttpConfig::new("https://me:hidden@example.com/in");
        assert!(!format!("{config:?}").contains("hidden"), "{config:?}");
    }
}
