//! What went wrong with a call as a whole, and what an error code means for the records.

use std::error::Error;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_eventbridge::config::http::HttpResponse;
use aws_sdk_eventbridge::error::{ErrorMetadata, ProvideErrorMetadata, SdkError};
use conduit_core::{SinkError, SinkErrorKind};
use hyper_util::client::legacy;

use super::bus::Bus;
use crate::Secret;
use crate::quote::quote;
use crate::request_body::NotPermitted;
use crate::secret::Extent;

/// The longest wait that a destination can ask for.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// Returns what an error code of AWS means, be it an entry's or a whole call's; `None` if it is not known.
pub(super) fn kind_of_code(code: &str) -> Option<SinkErrorKind> {
    Some(match code {
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "RequestLimitExceeded"
        | "TooManyRequestsException"
        | "BandwidthLimitExceeded"
        | "LimitExceededException"
        | "SlowDown" => SinkErrorKind::Throttled { retry_after: None },
        "RequestTimeout" | "RequestTimeoutException" => SinkErrorKind::Timeout,
        "InternalFailure"
        | "InternalException"
        | "InternalError"
        | "InternalServerError"
        | "InternalServerException"
        | "ServiceUnavailable"
        | "ServiceUnavailableException" => SinkErrorKind::Unavailable,
        "AccessDenied"
        | "AccessDeniedException"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "InvalidAccountIdException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "NotAuthorized"
        | "NotAuthorizedForDetailTypeException"
        | "NotAuthorizedForSourceException"
        | "OptInRequired"
        | "RequestExpired"
        | "ResourceNotFoundException"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException" => SinkErrorKind::Unauthorized,
        "MalformedDetail" => SinkErrorKind::Undeliverable,
        "InvalidArgument" | "RedactionFailure" | "ValidationError" | "ValidationException" => {
            SinkErrorKind::Rejected
        }
        _ => return None,
    })
}

/// Makes the sink's error of a call that failed as a whole. `token` is what it was sent with.
pub(super) fn of_call<E>(error: SdkError<E, HttpResponse>, bus: &Bus, token: Option<&Secret>) -> SinkError
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    match error {
        SdkError::ServiceError(refusal) => of_refusal(refusal.raw(), refusal.err().meta(), bus, token),
        error => of_no_answer(error, bus),
    }
}

fn of_refusal(raw: &HttpResponse, said: &ErrorMetadata, bus: &Bus, token: Option<&Secret>) -> SinkError {
    let status = raw.status().as_u16();
    let known = said.code().and_then(kind_of_code);
    let kind = known.unwrap_or_else(|| kind_of_status(status));
    let kind = match kind {
        SinkErrorKind::Throttled { .. } => SinkErrorKind::Throttled {
            retry_after: retry_after(raw),
        },
        kind => kind,
    };
    let code = match said.code() {
        Some(code) => quote(code, token, Extent::Whole),
        None => format!("HTTP {status}"),
    };
    let mut message = format!("{code} from EventBridge at {}", bus.shown());
    if (200..300).contains(&status) {
        message.push_str(": the answer cannot be understood");
    }
    push_quote(&mut message, said.message(), token);
    SinkError::new(kind, message).with_status(status)
}

/// What an answer without a known error code means: a proxy's, or an emulator's.
fn kind_of_status(status: u16) -> SinkErrorKind {
    match status {
        429 => SinkErrorKind::Throttled { retry_after: None },
        408 => SinkErrorKind::Timeout,
        // A redirect is not followed: the endpoint is another.
        300..=399 | 401 | 403 | 404 | 407 => SinkErrorKind::Unauthorized,
        400..=499 => SinkErrorKind::Rejected,
        _ => SinkErrorKind::Unavailable,
    }
}

/// Returns how long a throttling answer asks to wait. AWS does not say; what stands before an endpoint may.
fn retry_after(raw: &HttpResponse) -> Option<Duration> {
    let seconds = raw.headers().get("retry-after")?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

fn of_no_answer<E>(error: SdkError<E, HttpResponse>, bus: &Bus) -> SinkError
where
    E: Error + Send + Sync + 'static,
{
    let shown = bus.shown();
    if NotPermitted::caused(&error) {
        return SinkError::new(
            SinkErrorKind::NotSent,
            format!("nothing was sent to EventBridge at {shown}"),
        );
    }
    if let Some(cause) = cause::<CredentialsError>(&error) {
        let mut message = format!("no credentials for EventBridge at {shown}");
        push_causes(&mut message, cause);
        return SinkError::new(SinkErrorKind::Unauthorized, message);
    }
    let is_connect = cause::<legacy::Error>(&error).is_some_and(legacy::Error::is_connect)
        // No other time-out is left to the SDK.
        || matches!(&error, SdkError::DispatchFailure(failure) if failure.is_timeout());
    let mut message = match &error {
        SdkError::ResponseError(_) => format!("the answer of EventBridge at {shown} broke off"),
        SdkError::ConstructionFailure(_) => format!("no request can be made to EventBridge at {shown}"),
        _ if is_connect => format!("cannot connect to EventBridge at {shown}"),
        _ => format!("no answer from EventBridge at {shown}"),
    };
    // The outer words only say that they are the SDK's and the client's.
    match cause::<legacy::Error>(&error) {
        Some(client) => push_causes(&mut message, client),
        None => push_causes(&mut message, &error),
    }
    SinkError::unavailable(message)
}

/// Appends what AWS said, where it cannot hold a credential: up to the end of the first line, since the other lines of a
/// signature's refusal repeat the request with its session token.
pub(super) fn push_quote(message: &mut String, said: Option<&str>, token: Option<&Secret>) {
    let line = said
        .and_then(|said| said.trim().lines().next())
        .unwrap_or_default();
    if !line.is_empty() {
        message.push_str(": ");
        message.push_str(&quote(line, token, Extent::Whole));
    }
}

/// Appends the words of an error's causes, each once. Those of a refusal of STS are its code and message.
fn push_causes(message: &mut String, error: &(dyn Error + 'static)) {
    if let Some(said) = cause::<ErrorMetadata>(error) {
        if let Some(code) = said.code() {
            push_quote(message, Some(code), None);
        }
        return push_quote(message, said.message(), None);
    }
    let mut next = error.source();
    while let Some(error) = next {
        let text = error.to_string();
        if !message.contains(&text) {
            push_quote(message, Some(&text), None);
        }
        next = error.source();
    }
}

/// Finds what an error comes from, by its type.
fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
