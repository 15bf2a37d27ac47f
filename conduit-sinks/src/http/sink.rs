//! The HTTP sink.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::{Clock, Delivery, Record, RecordBatch, Sink, SinkError, SinkLimits, SystemClock};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request};
use tokio::time::{self, Instant};

use super::endpoint::Endpoint;
use super::request_body::RequestBody;
use super::retry_after::retry_after;
use super::{HttpClient, HttpConfig, HttpSetupError, answer, body, error};
use crate::egress::EgressPolicy;
use crate::{ConfigFault, InvalidConfig, Secret};

/// How many requests one destination gets at the same time.
pub const CONCURRENCY: usize = 64;

/// How long the body of an answer may take once its status is known. Then the connection is dropped.
const BODY_PATIENCE: Duration = Duration::from_secs(5);

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const AGENT: HeaderValue = HeaderValue::from_static(concat!("conduit/", env!("CARGO_PKG_VERSION")));

/// Posts each record as JSON to one endpoint.
///
/// The request: `Content-Type: application/json`, `User-Agent: conduit/<version>`, `webhook-id` (the record's event
/// id), `webhook-timestamp` (the time of this attempt, seconds since the Unix epoch), `Authorization: Bearer <token>`
/// if configured; the body is the record.
///
/// | answer | outcome |
/// |---|---|
/// | 2xx | delivered |
/// | 429; 503 with `Retry-After` | `Throttled`, at most [`MAX_RETRY_AFTER`](super::MAX_RETRY_AFTER) |
/// | 401, 403, 404, 407; an address that the egress policy refuses | `Unauthorized` |
/// | 408; none within the time-out | `Timeout` |
/// | other 5xx; no connection, or one that breaks | `Unavailable` |
/// | anything else, redirects too | `Rejected` |
///
/// The status decides: a body that breaks off, hangs or is too long changes nothing. Messages quote at most 200
/// characters of it.
pub struct HttpSink {
    endpoint: Endpoint,
    authorization: Option<HeaderValue>,
    bearer_token: Option<Secret>,
    timeout: Duration,
    client: HttpClient,
    clock: Arc<dyn Clock>,
}

impl HttpSink {
    /// Makes a sink with connections of its own, which go anywhere that [`EgressPolicy::Any`] allows.
    ///
    /// # Errors
    /// [`HttpSetupError::Config`] with every fault of the configuration; [`HttpSetupError::Tls`].
    pub fn new(config: HttpConfig) -> Result<Self, HttpSetupError> {
        config.validate()?;
        Ok(Self::with_client(config, HttpClient::new(EgressPolicy::Any)?)?)
    }

    /// Makes a sink that shares the connections of `client`.
    ///
    /// # Errors
    /// With every fault of the configuration.
    pub fn with_client(config: HttpConfig, client: HttpClient) -> Result<Self, InvalidConfig> {
        let endpoint = config.check()?;
        let authorization = config.bearer_token.as_ref().map(authorization).transpose()?;
        Ok(Self {
            endpoint,
            authorization,
            bearer_token: config.bearer_token,
            timeout: config.timeout,
            client,
            clock: Arc::new(SystemClock),
        })
    }

    /// Takes the time from `clock` instead of the operating system.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    async fn post(&self, record: &Record, batch: &RecordBatch) -> Result<(), SinkError> {
        let request = self.request(record, batch)?;
        let deadline = Instant::now() + self.timeout;
        let response = match time::timeout_at(deadline, self.client.send(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(cause)) => return Err(error::no_answer(cause, &self.endpoint)),
            Err(_) => {
                let shown = self.endpoint.shown();
                return Err(SinkError::timeout(format!(
                    "no answer from {shown} within {:?}",
                    self.timeout
                )));
            }
        };
        let (head, incoming) = response.into_parts();
        // The outcome is known from here on. Reading on must end before the caller's own time-out, which would make
        // it unknown again.
        let left = deadline.saturating_duration_since(Instant::now());
        let body = body::read(incoming, BODY_PATIENCE.min(left / 2)).await;
        if head.status.is_success() {
            return Ok(());
        }
        let wait = retry_after(&head.headers, self.clock.now());
        let quote = body.quote(self.bearer_token.as_ref());
        Err(answer::refusal(head.status, wait, self.endpoint.shown(), &quote))
    }

    fn request(&self, record: &Record, batch: &RecordBatch) -> Result<Request<RequestBody>, SinkError> {
        let Ok(event_id) = HeaderValue::from_str(record.event_id().as_str()) else {
            return Err(SinkError::undeliverable(
                "the record's event id cannot be sent as a header",
            ));
        };
        let mut request = Request::new(RequestBody::new(record.json().clone(), batch));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.uri().clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert(USER_AGENT, AGENT);
        headers.insert(WEBHOOK_ID, event_id);
        headers.insert(
            WEBHOOK_TIMESTAMP,
            HeaderValue::from(self.clock.now().as_millis().div_euclid(1000)),
        );
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }
}

#[async_trait]
impl Sink for HttpSink {
    fn limits(&self) -> SinkLimits {
        SinkLimits {
            max_records: 1,
            concurrency: CONCURRENCY,
            timeout: self.timeout,
            ..SinkLimits::default()
        }
    }

    /// The server, `scheme://host:port`: all paths of it are held together.
    fn endpoint(&self) -> Option<String> {
        Some(self.endpoint.server().to_owned())
    }

    async fn deliver(&self, batch: &RecordBatch) -> Result<Delivery, SinkError> {
        let [record] = batch.records() else {
            return Err(SinkError::rejected(format!(
                "a call holds {} records, not one",
                batch.records().len()
            )));
        };
        self.post(record, batch).await.map(|()| Delivery::complete())
    }
}

impl fmt::Debug for HttpSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSink")
            .field("endpoint", &self.endpoint.shown())
            .field("bearer_token", &self.bearer_token)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Makes the header once, marked so that no library shows it.
fn authorization(token: &Secret) -> Result<HeaderValue, InvalidConfig> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.reveal())).map_err(|_| {
        InvalidConfig::new(vec![ConfigFault::new(
            "bearer_token",
            "cannot be sent as a header",
        )])
    })?;
    value.set_sensitive(true);
    Ok(value)
}
