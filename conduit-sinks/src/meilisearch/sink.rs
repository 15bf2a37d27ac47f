//! The Meilisearch sink.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::{
    Clock, Delivery, Record, RecordBatch, RecordParts, RecordType, SameKey, Sink, SinkError, SinkLimits,
    SystemClock, Tested,
};
use tokio::time::Instant;

use super::MeilisearchConfig;
use super::api::{Api, Call};
use super::delivery::Progress;
use super::index::Index;
use super::ledger::Ledger;
use crate::InvalidConfig;
use crate::egress::EgressPolicy;
use crate::http::{HttpClient, HttpSetupError, authorization};

/// How many calls one destination gets at the same time. The server does the tasks of an index in order, and those that
/// wait as one: so several are worth while, all the more as records that are retried come one a call.
pub const CONCURRENCY: usize = 16;

/// How many records one call holds at most.
pub const MAX_RECORDS: usize = 1000;

/// The most of a call's time that is kept for saying what became of it.
const MAX_MARGIN: Duration = Duration::from_secs(5);

/// Keeps an index of Meilisearch (1.x, as documented) the same as a collection.
///
/// INSERT and MODIFY put the whole document of the record (`newImage`) in place of the one before, REMOVE deletes it. A
/// MODIFY without `newImage` changes nothing: the document had gone when it was looked up, and its REMOVE follows. A
/// document is found by its [`DocumentId`](super::DocumentId), which is made of the record's keys and stands in the field
/// [`PRIMARY_KEY`](super::PRIMARY_KEY), the index's primary key; its own fields stay as they are.
///
/// The writes of a call become one task for the puts and one for the deletes, or a few more where a document comes and
/// goes in it. A record is delivered when its *task has succeeded*, which is asked for with a growing pause of at most a
/// second. Meilisearch does the tasks of an index in order.
///
/// The first call creates the index if it is missing and gives it its settings; once a minute the sink looks whether it
/// is still the same one.
///
/// | what the server says | outcome |
/// |---|---|
/// | the task succeeded; a delete's index does not exist | delivered |
/// | the task failed over a document (`invalid_document_…` and other codes of the type `invalid_request`); HTTP 400 and other 4xx that are not below | the task is halved until the documents that it is about are alone: those are `Rejected`, all others delivered |
/// | HTTP 413 | halved likewise; alone `Undeliverable` |
/// | `vector_embedding_error` | halved likewise; alone `Unavailable` |
/// | the task failed with the type `internal` or `system`, was canceled or is not known any more | `Unavailable` |
/// | the task failed over the index (`index_…`, `invalid_settings_…`) or the API key; another primary key | `Unauthorized` |
/// | the task has not ended when the call's time is nearly over; no answer to a request within 30 seconds; HTTP 408 | `Timeout` |
/// | HTTP 429; 503 with `Retry-After` | `Throttled`, at most [`MAX_RETRY_AFTER`](crate::http::MAX_RETRY_AFTER) |
/// | HTTP 401, 403, 404, 405, 407; a redirect; an answer that is not Meilisearch's | `Unauthorized` |
/// | other 5xx; no connection, or one that breaks | `Unavailable` |
/// | (nothing was sent) keys that are no object, an INSERT without `newImage`, a field named like the primary key | `Undeliverable` |
///
/// # Repeats
/// A task whose end a call did not see (it timed out, was dropped, or the server could not be asked) is remembered, and
/// when its records come again it is waited for, not sent once more; up to 65,536 records. What was sent without an answer
/// that named a task, and what a process did before it was restarted, is sent again: it puts the same document or deletes
/// what is gone. Tasks are done in the order in which they were sent, so what is sent last is what counts.
pub struct MeilisearchSink {
    api: Api,
    index: Index,
    ledger: Ledger,
    timeout: Duration,
}

impl MeilisearchSink {
    /// Makes a sink with connections of its own. Does no I/O with the server.
    ///
    /// # Errors
    /// [`HttpSetupError::Config`] with every fault of the configuration; [`HttpSetupError::Tls`].
    pub fn new(config: MeilisearchConfig) -> Result<Self, HttpSetupError> {
        config.validate()?;
        Ok(Self::with_client(config, HttpClient::new(EgressPolicy::Any)?)?)
    }

    /// Makes a sink that shares the connections of `client`. Does no I/O with the server.
    ///
    /// # Errors
    /// With every fault of the configuration.
    pub fn with_client(config: MeilisearchConfig, client: HttpClient) -> Result<Self, InvalidConfig> {
        let endpoint = config.check()?;
        let authorization = config
            .bearer_token
            .as_ref()
            .and_then(|token| authorization(token).ok());
        let settings = config.settings.map(serde_json::Value::Object);
        Ok(Self {
            api: Api {
                client,
                endpoint,
                index_name: config.index_name,
                authorization,
                bearer_token: config.bearer_token,
                clock: Arc::new(SystemClock),
            },
            index: Index::new(settings.map(|settings| settings.to_string().into())),
            ledger: Ledger::default(),
            timeout: config.timeout,
        })
    }

    /// Takes the time from `clock` instead of the operating system: a `Retry-After` can be a date.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.api.clock = clock;
        self
    }

    /// Asks the server for the index, changing nothing. One that is missing is made with the first delivery. Takes no longer
    /// than `patience`; dropping the future changes nothing.
    ///
    /// # Errors
    /// As a delivery that failed as a whole: `Unauthorized` for a key that is wrong or may not ask for it.
    pub async fn check_index(&self, patience: Duration) -> Result<IndexCheck, SinkError> {
        let call = Call {
            batch: &RecordBatch::new(Vec::new()),
            deadline: Instant::now() + patience,
        };
        match self.api.index(call).await {
            Ok(Some(_)) => Ok(IndexCheck::Exists),
            Ok(None) => Ok(IndexCheck::Missing),
            Err(refusal) => Err(refusal.error),
        }
    }
}

/// Whether an index is there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum IndexCheck {
    /// It is.
    Exists,
    /// It is not, and is made with the first delivery.
    Missing,
}

#[async_trait]
impl Sink for MeilisearchSink {
    /// Calls of up to 1,000 records and 64 MiB, 16 at a time, each of which may hold a document several times; a request has
    /// at most 16 MiB, or a single document. A call takes as long as
    /// its tasks, so it has minutes; a server that does not answer shows after 30 seconds all the same.
    fn limits(&self) -> SinkLimits {
        SinkLimits {
            max_records: MAX_RECORDS,
            concurrency: CONCURRENCY,
            same_key: SameKey::InOrder,
            timeout: self.timeout,
            ..SinkLimits::default()
        }
    }

    /// The server, `scheme://host:port`: all indexes of it are held together.
    fn endpoint(&self) -> Option<String> {
        Some(self.api.endpoint.server().to_owned())
    }

    async fn deliver(&self, batch: &RecordBatch) -> Result<Delivery, SinkError> {
        // A call that ends by itself can say what it knows; one that is dropped cannot.
        let margin = MAX_MARGIN.min(self.timeout / 10);
        let call = Call {
            batch,
            deadline: Instant::now() + self.timeout - margin,
        };
        Progress::new(&self.api, &self.index, &self.ledger, call)
            .run()
            .await
    }

    /// Leaves no document behind: it deletes the one that the record names, of which there is none. So the address, the key
    /// and the settings are tried, and the index is made if it is missing, as the first delivery would; the right to add
    /// documents is not.
    async fn test(&self, record: Arc<Record>) -> Result<Tested, SinkError> {
        let delete = Record::new(RecordParts {
            event_id: record.event_id().clone(),
            collection: record.collection().clone(),
            record_type: RecordType::Remove,
            key: record.key(),
            keys: record.keys(),
            new_image: None,
            old_image: None,
            timestamp: record.timestamp(),
            time: record.time(),
            sequence: record.sequence().clone(),
        });
        let delivery = self.deliver(&RecordBatch::new(vec![Arc::new(delete)])).await?;
        // What comes last is the answer that says how the task ended.
        delivery.into_tested(Some(200))
    }
}

impl fmt::Debug for MeilisearchSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MeilisearchSink")
            .field("endpoint", &self.api.endpoint.shown())
            .field("bearer_token", &self.api.bearer_token)
            .field("index_name", &self.api.index_name)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
