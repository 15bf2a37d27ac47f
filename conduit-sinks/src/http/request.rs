//! Makes requests.

use bytes::Bytes;
use conduit_core::{RecordBatch, SinkError, WallTime};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Uri};

use super::signature::Signer;
use crate::request_body::RequestBody;
use crate::{ConfigFault, Secret};

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
#[cfg(feature = "meilisearch")]
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(crate) const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("conduit/", env!("CARGO_PKG_VERSION")));

/// What all requests of a sink have in common.
pub(super) struct RequestTemplate {
    uri: Uri,
    headers: HeaderMap,
    signer: Option<Signer>,
}

impl RequestTemplate {
    /// Makes a template. `headers` are those of the configuration.
    pub(super) fn new(
        uri: Uri,
        mut headers: HeaderMap,
        content_type: &'static str,
        signer: Option<Signer>,
    ) -> Self {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(USER_AGENT, AGENT);
        // Places for what each request has of its own, so that its copy of the headers need not grow.
        headers.insert(WEBHOOK_ID, HeaderValue::from_static(""));
        headers.insert(WEBHOOK_TIMESTAMP, HeaderValue::from_static(""));
        if signer.is_some() {
            headers.insert(WEBHOOK_SIGNATURE, HeaderValue::from_static(""));
        }
        Self { uri, headers, signer }
    }

    /// Whether making a request takes as long as signing its body does.
    pub(super) fn is_signed(&self) -> bool {
        self.signer.is_some()
    }

    /// Makes the request that carries `body`, named `id`, at the moment `now`.
    pub(super) fn request(
        &self,
        id: &str,
        body: Bytes,
        now: WallTime,
        batch: &RecordBatch,
    ) -> Result<Request<RequestBody>, SinkError> {
        let Ok(id_header) = HeaderValue::from_str(id) else {
            return Err(SinkError::undeliverable(
                "the record's event id cannot be sent as a header",
            ));
        };
        let timestamp = now.as_millis().div_euclid(1000);
        let mut headers = self.headers.clone();
        headers.insert(WEBHOOK_ID, id_header);
        headers.insert(WEBHOOK_TIMESTAMP, HeaderValue::from(timestamp));
        if let Some(signer) = &self.signer {
            let signature = signer.sign(id, timestamp, &body).ok_or_else(|| {
                SinkError::undeliverable("the record is not UTF-8, so that it cannot be signed")
            })?;
            headers.insert(WEBHOOK_SIGNATURE, signature);
        }
        let mut request = Request::new(RequestBody::new(body, batch));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// Adds the bearer token.
pub(super) fn add_bearer_token(headers: &mut HeaderMap, token: &Secret) -> Result<(), ConfigFault> {
    headers.insert(AUTHORIZATION, authorization(token)?);
    Ok(())
}

/// Makes the header of a bearer token, marked so that no library shows it.
pub(crate) fn authorization(token: &Secret) -> Result<HeaderValue, ConfigFault> {
    let text = token.reveal();
    if text.is_empty() {
        return Err(ConfigFault::new("bearer_token", "cannot be empty"));
    }
    let value = HeaderValue::from_str(&format!("Bearer {text}"));
    let Some(mut value) = value
        .ok()
        .filter(|_| text.bytes().all(|byte| byte.is_ascii_graphic()))
    else {
        let message = "can only hold visible ASCII characters";
        return Err(ConfigFault::new("bearer_token", message));
    };
    value.set_sensitive(true);
    Ok(value)
}
