//! What an HTTP destination is configured with.

use std::fmt;
use std::time::Duration;

use hyper::HeaderMap;

use super::HttpBatch;
use super::endpoint::Endpoint;
use super::signature::Signer;
use super::{extra_headers, request};
use crate::format::PayloadFormat;
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
    /// Requests are signed with these by Standard Webhooks: none, one, or two while one replaces the other. Each is
    /// `whsec_` (which may be left out) and a key of 24 to 64 bytes in base64.
    pub signing_secrets: Vec<Secret>,
    /// Further headers of each request, at most 64: names that Conduit does not set itself, and values of visible ASCII
    /// characters and spaces, which are treated as credentials.
    pub headers: Vec<(String, Secret)>,
    /// What the body is made of. Default: records as they are.
    pub format: PayloadFormat,
    /// Several records in one request, as a JSON array. Default: `None`, one record a request and no array.
    pub batch: Option<HttpBatch>,
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
            signing_secrets: Vec::new(),
            headers: Vec::new(),
            format: PayloadFormat::default(),
            batch: None,
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// Sets the bearer token.
    #[must_use]
    pub fn with_bearer_token(mut self, token: impl Into<Secret>) -> Self {
        self.bearer_token = Some(token.into());
        self
    }

    /// Adds a secret to sign with: a second one while it replaces the first, or the other way round.
    #[must_use]
    pub fn with_signing_secret(mut self, secret: impl Into<Secret>) -> Self {
        self.signing_secrets.push(secret.into());
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets what the body is made of.
    #[must_use]
    pub fn with_format(mut self, format: PayloadFormat) -> Self {
        self.format = format;
        self
    }

    /// Sends several records in one request.
    #[must_use]
    pub fn with_batch(mut self, batch: HttpBatch) -> Self {
        self.batch = Some(batch);
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
    /// With all faults at once, each naming its field: `endpoint`, `bearer_token`, `signing_secret` (of two:
    /// `signing_secret[0]`, `signing_secret[1]`), `headers`, `timeout`, `batch.max_records`, `batch.max_bytes` or
    /// `batch.max_wait`.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        self.check().map(|_| ())
    }

    /// Checks every field and returns them in the form that requests need.
    pub(super) fn check(&self) -> Result<Checked, InvalidConfig> {
        let mut faults = Vec::new();
        let endpoint = Endpoint::parse(&self.endpoint)
            .map_err(|message| faults.push(ConfigFault::new("endpoint", message)));
        let mut headers = HeaderMap::new();
        if let Some(token) = &self.bearer_token {
            faults.extend(request::add_bearer_token(&mut headers, token).err());
        }
        let signer = Signer::new(&self.signing_secrets).map_err(|found| faults.extend(found));
        match extra_headers::check(&self.headers, self.bearer_token.is_some()) {
            Ok(extra) => headers.extend(extra),
            Err(found) => faults.extend(found),
        }
        if self.timeout.is_zero() || self.timeout > MAX_TIMEOUT {
            let seconds = MAX_TIMEOUT.as_secs();
            faults.push(ConfigFault::new(
                "timeout",
                format!("must be more than 0 and at most {seconds}s"),
            ));
        }
        faults.extend(self.batch.iter().flat_map(HttpBatch::faults));
        match (endpoint, signer) {
            (Ok(endpoint), Ok(signer)) if faults.is_empty() => Ok(Checked {
                endpoint,
                headers,
                signer,
                credentials: self.credentials(),
            }),
            _ => Err(InvalidConfig::new(faults)),
        }
    }

    /// Everything that must not be quoted from an answer.
    fn credentials(&self) -> Vec<Secret> {
        let token = self.bearer_token.iter().cloned();
        let keys = self.signing_secrets.iter().cloned();
        let headers = extra_headers::credentials(&self.headers);
        token.chain(keys).chain(headers).collect()
    }
}

/// A configuration in the form that requests need.
pub(super) struct Checked {
    pub(super) endpoint: Endpoint,
    /// With `authorization`.
    pub(super) headers: HeaderMap,
    pub(super) signer: Option<Signer>,
    /// What must not be quoted from an answer.
    pub(super) credentials: Vec<Secret>,
}

/// Shows no secret: not the token, the keys and the values of headers, nor the endpoint's user info and query, which often are one.
impl fmt::Debug for HttpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = Endpoint::parse(&self.endpoint);
        f.debug_struct("HttpConfig")
            .field(
                "endpoint",
                &endpoint.as_ref().map_or("(not valid)", Endpoint::shown),
            )
            .field("bearer_token", &self.bearer_token)
            .field("signing_secrets", &self.signing_secrets)
            .field("headers", &self.headers)
            .field("format", &self.format)
            .field("batch", &self.batch)
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
            .with_signing_secret("short")
            .with_header("Host", "elsewhere")
            .with_timeout(Duration::ZERO)
            .with_batch(HttpBatch {
                max_records: 0,
                max_bytes: usize::MAX,
                max_wait: Duration::MAX,
            })
            .validate()
            .unwrap_err();
        let fields: Vec<&str> = refused.faults().iter().map(|fault| fault.field).collect();
        let expected = [
            "endpoint",
            "bearer_token",
            "signing_secret",
            "headers",
            "timeout",
            "batch.max_records",
            "batch.max_bytes",
            "batch.max_wait",
        ];
        assert_eq!(fields, expected);
        let text = refused.to_string();
        assert!(
            text.starts_with("endpoint: must begin with http:// or https://; bearer_token: "),
            "{text}"
        );
    }

    #[test]
    fn neither_the_debug_form_nor_a_fault_shows_a_secret() {
        let config = HttpConfig::new("https://example.com/in?key=hidden1")
            .with_bearer_token("hidden2\n")
            .with_signing_secret("hidden3")
            .with_header("x-key", "hidden4\n");
        assert!(!format!("{config:?}").contains("hidden"), "{config:?}");
        assert!(!format!("{:?}", config.validate().unwrap_err()).contains("hidden"));
        let config = HttpConfig::new("https://me:hidden@example.com/in");
        assert!(!format!("{config:?}").contains("hidden"), "{config:?}");
    }
}
