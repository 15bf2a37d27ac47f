//! What an answer's status means for the record.

use std::time::Duration;

use conduit_core::{SinkError, SinkErrorKind};
use hyper::StatusCode;

/// Makes the error of an answer that is not 2xx. `quote` is the beginning of its body.
pub(super) fn refusal(
    status: StatusCode,
    retry_after: Option<Duration>,
    shown_endpoint: &str,
    quote: &str,
) -> SinkError {
    let mut message = format!("HTTP {} from {shown_endpoint}", status.as_u16());
    if status.is_redirection() {
        message.push_str(": redirects are not followed");
    } else if !quote.is_empty() {
        message.push_str(": ");
        message.push_str(quote);
    }
    SinkError::new(kind(status, retry_after), message).with_status(status.as_u16())
}

fn kind(status: StatusCode, retry_after: Option<Duration>) -> SinkErrorKind {
    match status {
        StatusCode::TOO_MANY_REQUESTS => SinkErrorKind::Throttled { retry_after },
        StatusCode::SERVICE_UNAVAILABLE if retry_after.is_some() => SinkErrorKind::Throttled { retry_after },
        StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::NOT_FOUND
        | StatusCode::PROXY_AUTHENTICATION_REQUIRED => SinkErrorKind::Unauthorized,
        StatusCode::REQUEST_TIMEOUT => SinkErrorKind::Timeout,
        status if status.is_server_error() => SinkErrorKind::Unavailable,
        _ => SinkErrorKind::Rejected,
    }
}
