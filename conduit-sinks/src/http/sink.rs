//! The HTTP sink.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use conduit_core::{Clock, Delivery, Record, RecordBatch, Sink, SinkError, SinkLimits, SystemClock, Tested};
use hyper::http::response::Parts;
use hyper::{Request, StatusCode};
use tokio::task;
use tokio::time::{self, Instant};

use super::body::{BodyStart, Wanted};
use super::endpoint::Endpoint;
use super::request::RequestTemplate;
use super::retry_after::retry_after;
use super::{HttpBatch, HttpClient, HttpConfig, HttpSetupError, answer, batch, batch_answer, body, error};
use crate::egress::EgressPolicy;
use crate::format::PayloadFormat;
use crate::request_body::RequestBody;
use crate::{InvalidConfig, Secret};

/// How many requests one destination gets at the same time.
pub const CONCURRENCY: usize = 64;

/// The same for batches: fewer, since each carries many records, and each is held in memory twice while it is sent.
pub const BATCH_CONCURRENCY: usize = 8;

/// How long the body of an answer may take once its status is known. Then the connection is dropped.
const BODY_PATIENCE: Duration = Duration::from_secs(5);

/// Larger bodies are signed on a thread of their own, since that takes milliseconds in which nothing else would run.
const SIGNED_AT_ONCE: usize = 1024 * 1024;

/// Posts records as JSON to one endpoint, one a request, or, with [`HttpConfig::batch`], an array of them.
///
/// | header | value |
/// |---|---|
/// | `Content-Type` | that of the [format](PayloadFormat) |
/// | `User-Agent` | `conduit/<version>` |
/// | `Authorization` | `Bearer <token>`, if configured |
/// | `webhook-id` | the record's event id; of a batch `batch-` and a hash of the event ids in their order |
/// | `webhook-timestamp` | the time of this attempt, seconds since the Unix epoch |
/// | `webhook-signature` | if a secret is configured: `v1,<base64>`, two of them if there are two, by Standard Webhooks |
///
/// | answer | outcome |
/// |---|---|
/// | 2xx | delivered; of a batch those that the answer does not name |
/// | 429; 503 with `Retry-After` | `Throttled`, at most [`MAX_RETRY_AFTER`](super::MAX_RETRY_AFTER) |
/// | 401, 403, 404, 407; an address that the egress policy refuses | `Unauthorized` |
/// | 408; none within the time-out | `Timeout` |
/// | other 5xx; no connection, or one that breaks | `Unavailable` |
/// | anything else, redirects too | `Rejected` |
///
/// The status decides: a body that breaks off, hangs or is too long changes nothing. Messages quote at most 200
/// characters of it.
///
/// But a 2xx to a batch may have the body `{"batchItemFailures": [{"itemIdentifier": "<eventID>"}]}`: these records are
/// `Rejected` and all others delivered. An empty list, no body, or one without such a list: all are delivered. Where it
/// cannot be told, none counts as delivered: a list that is malformed or names a record that was not sent, and an answer
/// over 1 MiB, are `Rejected`; one that broke off is `Unavailable`, one that is late `Timeout`.
///
/// The same records in the same order have the same `webhook-id`; a batch that is put together otherwise the next time has
/// another, so that receivers of batches tell repeats by the `eventID` of each record.
pub struct HttpSink {
    endpoint: Endpoint,
    template: Arc<RequestTemplate>,
    credentials: Vec<Secret>,
    format: PayloadFormat,
    batch: Option<HttpBatch>,
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
        let checked = config.check()?;
        let content_type = match config.batch {
            None => config.format.content_type(),
            Some(_) => config.format.batch_content_type(),
        };
        let uri = checked.endpoint.uri().clone();
        Ok(Self {
            template: Arc::new(RequestTemplate::new(
                uri,
                checked.headers,
                content_type,
                checked.signer,
            )),
            endpoint: checked.endpoint,
            credentials: checked.credentials,
            format: config.format,
            batch: config.batch,
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

    /// Sends `body` and returns the head and the body of an answer that is 2xx.
    async fn post(
        &self,
        id: &str,
        body: Bytes,
        batch: &RecordBatch,
    ) -> Result<(Parts, BodyStart), SinkError> {
        let request = self.request(id, body, batch).await?;
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
        let left = deadline.saturating_duration_since(Instant::now());
        let is_success = head.status.is_success();
        let (wanted, patience) = if is_success && self.batch.is_some() {
            (Wanted::whole(batch_answer::MAX_ANSWER), left)
        } else {
            // The outcome is known from here on. Reading on must end before the caller's own time-out, which would make
            // it unknown again.
            (Wanted::QUOTE, BODY_PATIENCE.min(left / 2))
        };
        let body = body::read(incoming, wanted, patience).await;
        if is_success {
            return Ok((head, body));
        }
        let wait = retry_after(&head.headers, self.clock.now());
        let quote = body.quote(&self.credentials);
        Err(answer::refusal(head.status, wait, self.endpoint.shown(), &quote))
    }

    async fn request(
        &self,
        id: &str,
        body: Bytes,
        batch: &RecordBatch,
    ) -> Result<Request<RequestBody>, SinkError> {
        let now = self.clock.now();
        if !self.template.is_signed() || body.len() <= SIGNED_AT_ONCE {
            return self.template.request(id, body, now, batch);
        }
        let (template, id, batch) = (self.template.clone(), id.to_owned(), batch.clone());
        let signing = task::spawn_blocking(move || template.request(&id, body, now, &batch));
        signing.await.unwrap_or_else(|error| {
            Err(SinkError::unavailable("the request was not signed").with_source(error))
        })
    }

    /// Delivers `batch` and returns the status of the answer as well.
    async fn send(&self, batch: &RecordBatch) -> Result<(StatusCode, Delivery), SinkError> {
        match &self.batch {
            None => self.send_one(batch).await,
            Some(settings) => self.send_batch(batch, settings.max_records).await,
        }
    }

    async fn send_one(&self, batch: &RecordBatch) -> Result<(StatusCode, Delivery), SinkError> {
        let [record] = batch.records() else {
            return Err(SinkError::rejected(format!(
                "a call holds {} records, not one",
                batch.records().len()
            )));
        };
        let body = self.format.encode(record);
        let (head, _) = self.post(record.event_id().as_str(), body, batch).await?;
        Ok((head.status, Delivery::complete()))
    }

    async fn send_batch(
        &self,
        batch: &RecordBatch,
        most: usize,
    ) -> Result<(StatusCode, Delivery), SinkError> {
        let count = batch.records().len();
        if count == 0 || count > most {
            return Err(SinkError::rejected(format!(
                "a call holds {count} records, not 1 to {most}"
            )));
        }
        let body = batch::body(batch, self.format);
        let (head, answer) = self.post(&batch::id(batch), body, batch).await?;
        let failed = batch_answer::failures(&head.headers, &answer, batch, self.endpoint.shown())
            .map_err(|error| error.with_status(head.status.as_u16()))?;
        Ok((head.status, Delivery { failed }))
    }
}

#[async_trait]
impl Sink for HttpSink {
    fn limits(&self) -> SinkLimits {
        let single = SinkLimits {
            max_records: 1,
            concurrency: CONCURRENCY,
            timeout: self.timeout,
            ..SinkLimits::default()
        };
        match &self.batch {
            None => single,
            Some(batch) => SinkLimits {
                max_records: batch.max_records,
                max_bytes: batch.record_bytes(),
                concurrency: BATCH_CONCURRENCY,
                linger: batch.max_wait,
                ..single
            },
        }
    }

    /// The server, `scheme://host:port`: all paths of it are held together.
    fn endpoint(&self) -> Option<String> {
        Some(self.endpoint.server().to_owned())
    }

    async fn deliver(&self, batch: &RecordBatch) -> Result<Delivery, SinkError> {
        self.send(batch).await.map(|(_, delivery)| delivery)
    }

    /// The same request: with [`HttpConfig::batch`], an array of the one record.
    async fn test(&self, record: Arc<Record>) -> Result<Tested, SinkError> {
        let (status, delivery) = self.send(&RecordBatch::new(vec![record])).await?;
        let status = status.as_u16();
        let tested = delivery.into_tested(Some(status));
        tested.map_err(|error| error.with_status(status))
    }
}

/// Shows no secret: headers and keys are left out.
impl fmt::Debug for HttpSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSink")
            .field("endpoint", &self.endpoint.shown())
            .field("format", &self.format)
            .field("batch", &self.batch)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
