//! One request as it came in.

use std::fmt;
use std::net::SocketAddr;
use std::sync::OnceLock;

use bytes::Bytes;
use hyper::{HeaderMap, Method, Uri};
use serde_json::Value;
use tokio::time::Instant;

/// A request that the receiver has read to its end.
pub struct Received {
    pub(super) number: usize,
    pub(super) connection: u64,
    pub(super) peer: Option<SocketAddr>,
    pub(super) at: Instant,
    pub(super) method: Method,
    pub(super) target: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) json: OnceLock<Option<Value>>,
    pub(super) status: Option<u16>,
}

impl Received {
    /// Returns how many requests came before.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// Returns the number of the connection it came on, counted from 0 as they were accepted.
    #[must_use]
    pub fn connection(&self) -> u64 {
        self.connection
    }

    /// Returns the client's end of the connection, or `None` if it was closed before it could be asked for.
    #[must_use]
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// Returns when its last byte was read, by a clock that no test pauses.
    #[must_use]
    pub fn at(&self) -> Instant {
        self.at
    }

    /// Returns the method.
    #[must_use]
    pub fn method(&self) -> &str {
        self.method.as_str()
    }

    /// Returns the path and query as they were sent.
    #[must_use]
    pub fn target(&self) -> String {
        self.target.to_string()
    }

    /// Returns a header's value, or `None` if it is not there or not text. Of several the first.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the headers' names, lower-case.
    #[must_use]
    pub fn header_names(&self) -> Vec<&str> {
        self.headers
            .keys()
            .map(hyper::header::HeaderName::as_str)
            .collect()
    }

    /// Returns the body as it came.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Returns the body as JSON, `Null` if it is none. Parsed when first asked for.
    #[must_use]
    pub fn json(&self) -> &Value {
        const NONE: &Value = &Value::Null;
        self.json
            .get_or_init(|| serde_json::from_slice(&self.body).ok())
            .as_ref()
            .unwrap_or(NONE)
    }

    /// Returns the status that it is answered with, or `None` if the answer withholds one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// Whether it is answered with a 2xx.
    #[must_use]
    pub fn is_acknowledged(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self
            .status
            .map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        write!(
            f,
            "#{} {} {} ({} bytes) -> {status}",
            self.number,
            self.method,
            self.target,
            self.body.len()
        )
    }
}
