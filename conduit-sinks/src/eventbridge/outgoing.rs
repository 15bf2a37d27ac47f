//! What happens to a call right before it leaves, and to its answer before it is read.

use std::sync::{Arc, OnceLock};

use aws_sdk_eventbridge::config::interceptors::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextMut,
};
use aws_sdk_eventbridge::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_eventbridge::error::BoxError;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use conduit_core::RecordBatch;
use http_body_util::Limited;

use crate::Secret;
use crate::request_body::RequestBody;

/// Most bytes of an answer. That to ten entries has a few thousand.
const MAX_ANSWER: usize = 1024 * 1024;

/// Lets the bytes of a call leave only while the batch may be sent, notes the session token that is sent with it, and
/// bounds the answer.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    batch: RecordBatch,
    token: Arc<OnceLock<Secret>>,
}

impl Outgoing {
    pub(super) fn new(batch: &RecordBatch) -> Self {
        Self {
            batch: batch.clone(),
            token: Arc::new(OnceLock::new()),
        }
    }

    /// Returns the session token, once the call has left with one.
    pub(super) fn token(&self) -> Option<&Secret> {
        self.token.get()
    }
}

impl Intercept for Outgoing {
    fn name(&self) -> &'static str {
        "Outgoing"
    }

    /// The last hook before the connection gets the request, after it was signed.
    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        if let Some(token) = request.headers().get("x-amz-security-token") {
            let _ = self.token.set(Secret::new(token));
        }
        let bytes = request.body().bytes().map(Bytes::copy_from_slice);
        let bytes = bytes.ok_or("the request's body is not in memory")?;
        *request.body_mut() = SdkBody::from_body_1_x(RequestBody::new(bytes, &self.batch));
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response_mut().body_mut();
        let unbounded = std::mem::replace(body, SdkBody::taken());
        *body = SdkBody::from_body_1_x(Limited::new(unbounded, MAX_ANSWER));
        Ok(())
    }
}
