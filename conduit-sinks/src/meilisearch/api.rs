//! The seven requests that the sink makes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use conduit_core::{Clock, RecordBatch, SinkError, SinkErrorKind};
use http_body_util::{BodyExt, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::{self, Instant};

use super::error::{Refusal, ServerError};
use super::write::PRIMARY_KEY;
use crate::Secret;
use crate::http::{AGENT, BodyStart, Endpoint, HttpClient, JSON, no_answer, retry_after};
use crate::request_body::RequestBody;

/// How long the server may take to answer a request. It only queues what it is given, so this is long.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Most bytes of an answer that are read.
const MAX_ANSWER: usize = 1024 * 1024;

/// The call that requests are made for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    /// Says whether something may still be sent.
    pub(super) batch: &'a RecordBatch,
    /// When the call must have ended.
    pub(super) deadline: Instant,
}

/// What a server says of an index.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct IndexInfo {
    pub(super) primary_key: Option<String>,
    /// Tells the index from a later one of the same name.
    #[serde(default)]
    pub(super) created_at: String,
}

/// What a server says of a task.
#[derive(Deserialize, Debug)]
pub(super) struct TaskInfo {
    /// `enqueued`, `processing`, `succeeded`, `failed` or `canceled`.
    pub(super) status: String,
    pub(super) error: Option<ServerError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Enqueued {
    task_uid: u64,
}

/// One index of one server.
pub(super) struct Api {
    pub(super) client: HttpClient,
    pub(super) endpoint: Endpoint,
    pub(super) index_name: String,
    pub(super) authorization: Option<HeaderValue>,
    pub(super) bearer_token: Option<Secret>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Api {
    /// Replaces documents, and returns the task that does it.
    pub(super) async fn put(&self, documents: Bytes, call: Call<'_>) -> Result<u64, Refusal> {
        let path = format!("/indexes/{}/documents?primaryKey={PRIMARY_KEY}", self.index_name);
        self.enqueue(Method::POST, &path, documents, call).await
    }

    /// Deletes documents by their ids, and returns the task that does it.
    pub(super) async fn delete(&self, ids: Bytes, call: Call<'_>) -> Result<u64, Refusal> {
        let path = format!("/indexes/{}/documents/delete-batch", self.index_name);
        self.enqueue(Method::POST, &path, ids, call).await
    }

    /// Looks at the index; `None` if there is none.
    pub(super) async fn index(&self, call: Call<'_>) -> Result<Option<IndexInfo>, Refusal> {
        let path = format!("/indexes/{}", self.index_name);
        match self.send(Method::GET, &path, Bytes::new(), call).await {
            Ok(body) => self.read(&body).map(Some),
            Err(refusal) if refusal.code == "index_not_found" => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// Creates the index, and returns the task that does it.
    pub(super) async fn create_index(&self, call: Call<'_>) -> Result<u64, Refusal> {
        let index = json!({ "uid": self.index_name, "primaryKey": PRIMARY_KEY });
        self.enqueue(Method::POST, "/indexes", index.to_string().into(), call)
            .await
    }

    /// Changes settings of the index, and returns the task that does it.
    pub(super) async fn change_settings(&self, settings: Bytes, call: Call<'_>) -> Result<u64, Refusal> {
        let path = format!("/indexes/{}/settings", self.index_name);
        self.enqueue(Method::PATCH, &path, settings, call).await
    }

    /// Looks at a task; `None` if the server does not know it.
    pub(super) async fn task(&self, uid: u64, call: Call<'_>) -> Result<Option<TaskInfo>, Refusal> {
        match self
            .send(Method::GET, &format!("/tasks/{uid}"), Bytes::new(), call)
            .await
        {
            Ok(body) => self.read(&body).map(Some),
            Err(refusal) if refusal.code == "task_not_found" => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// Names the index and its server for messages.
    pub(super) fn shown(&self) -> String {
        format!("index {} of {}", self.index_name, self.endpoint.shown())
    }

    async fn enqueue(&self, method: Method, path: &str, body: Bytes, call: Call<'_>) -> Result<u64, Refusal> {
        let answer = self.send(method, path, body, call).await?;
        self.read::<Enqueued>(&answer).map(|enqueued| enqueued.task_uid)
    }

    /// Sends one request and returns the body of its answer if that is 2xx.
    async fn send(&self, method: Method, path: &str, body: Bytes, call: Call<'_>) -> Result<Bytes, Refusal> {
        let request = self.request(method, path, body, call)?;
        let patience = REQUEST_TIMEOUT.min(call.deadline.saturating_duration_since(Instant::now()));
        let answer = time::timeout(patience, async {
            let response = self
                .client
                .send(request)
                .await
                .map_err(|cause| Refusal::of_destination(no_answer(cause, &self.endpoint)))?;
            let (head, incoming) = response.into_parts();
            // The status of a refusal says enough; of a success the body is what counts.
            let body = match Limited::new(incoming, MAX_ANSWER).collect().await {
                Ok(body) => body.to_bytes(),
                Err(_) if !head.status.is_success() => Bytes::new(),
                Err(cause) => {
                    let error =
                        SinkError::unavailable(format!("the answer of {} broke off", self.endpoint.shown()));
                    return Err(Refusal::of_destination(error.with_source(cause)));
                }
            };
            Ok((head, body))
        });
        let (head, body) = match answer.await {
            Ok(answer) => answer?,
            Err(_) => {
                let message = format!("no answer from {} within {patience:?}", self.endpoint.shown());
                return Err(Refusal::of_destination(SinkError::timeout(message)));
            }
        };
        if head.status.is_success() {
            return Ok(body);
        }
        let wait = retry_after(&head.headers, self.clock.now());
        Err(self.refusal(head.status, wait, &body))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        call: Call<'_>,
    ) -> Result<Request<RequestBody>, Refusal> {
        let base = self.endpoint.shown().trim_end_matches('/');
        let Ok(uri) = format!("{base}{path}").parse() else {
            // The endpoint and the index name are checked.
            let error = SinkError::new(
                SinkErrorKind::Unauthorized,
                "the address of the request is not valid",
            );
            return Err(Refusal::of_destination(error));
        };
        let mut request = Request::new(RequestBody::new(body, call.batch));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert(USER_AGENT, AGENT);
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }

    /// Shows the server's code, or the beginning of what somebody else in its place says.
    fn refusal(&self, status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> Refusal {
        let server_error: ServerError = serde_json::from_slice(body).unwrap_or_default();
        let said = match &*server_error.code {
            "" => BodyStart::of(body).quote(self.bearer_token.as_ref()),
            code => BodyStart::of(code.as_bytes()).quote(self.bearer_token.as_ref()),
        };
        Refusal::of_answer(status, retry_after, server_error, self.endpoint.shown(), &said)
    }

    fn read<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, Refusal> {
        serde_json::from_slice(body).map_err(|_| {
            let message = format!(
                "the answer of {} is not one of Meilisearch",
                self.endpoint.shown()
            );
            Refusal::of_destination(SinkError::new(SinkErrorKind::Unauthorized, message))
        })
    }
}
