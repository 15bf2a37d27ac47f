//! What the server's refusals mean, of requests and of tasks.

use std::time::Duration;

use conduit_core::{SinkError, SinkErrorKind};
use hyper::StatusCode;
use serde::Deserialize;

/// An error as Meilisearch writes it, in answers and in failed tasks.
#[derive(Deserialize, Debug, Default)]
pub(super) struct ServerError {
    /// Such as `invalid_document_id`.
    #[serde(default)]
    pub(super) code: String,
    /// `invalid_request`, `internal`, `auth` or `system`.
    #[serde(default, rename = "type")]
    pub(super) class: String,
}

/// Why a request or a task came to nothing.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Whether another selection of the documents could get through.
    pub(super) blame: Blame,
    /// The server's code, empty if it gave none.
    pub(super) code: String,
    /// What is said of the records that it is about.
    pub(super) error: SinkError,
}

/// What a refusal speaks of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Blame {
    /// At least one of the documents.
    Documents,
    /// The server, the index, the API key, or the way there.
    Destination,
}

impl Refusal {
    /// The destination failed.
    pub(super) fn of_destination(error: SinkError) -> Self {
        Self {
            blame: Blame::Destination,
            code: String::new(),
            error,
        }
    }

    /// Makes it of an answer that is not 2xx. `said` is what to show of its body.
    pub(super) fn of_answer(
        status: StatusCode,
        retry_after: Option<Duration>,
        server_error: ServerError,
        shown: &str,
        said: &str,
    ) -> Self {
        let (blame, kind) = judge_status(status, retry_after, &server_error);
        let mut message = format!("HTTP {} from {shown}", status.as_u16());
        if status.is_redirection() {
            message.push_str(": redirects are not followed");
        } else if !said.is_empty() {
            message.push_str(": ");
            message.push_str(said);
        }
        Self {
            blame,
            code: server_error.code,
            error: SinkError::new(kind, message).with_status(status.as_u16()),
        }
    }

    /// Makes it of a failed task. The server's own message can quote documents, so it is not shown.
    pub(super) fn of_task(uid: u64, server_error: ServerError, index: &str) -> Self {
        let (blame, kind) = judge(&server_error);
        let code = match &*server_error.code {
            "" => "no code",
            code => code,
        };
        let message = format!("task {uid} on {index} failed: {code}; the server's task {uid} says more");
        Self {
            blame,
            error: SinkError::new(kind, message),
            code: server_error.code,
        }
    }
}

fn judge_status(
    status: StatusCode,
    retry_after: Option<Duration>,
    server_error: &ServerError,
) -> (Blame, SinkErrorKind) {
    use Blame::{Destination, Documents};
    match status {
        StatusCode::TOO_MANY_REQUESTS => (Destination, SinkErrorKind::Throttled { retry_after }),
        StatusCode::SERVICE_UNAVAILABLE if retry_after.is_some() => {
            (Destination, SinkErrorKind::Throttled { retry_after })
        }
        StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::NOT_FOUND
        | StatusCode::METHOD_NOT_ALLOWED
        | StatusCode::PROXY_AUTHENTICATION_REQUIRED => (Destination, SinkErrorKind::Unauthorized),
        StatusCode::REQUEST_TIMEOUT => (Destination, SinkErrorKind::Timeout),
        // Alone, a document of this size never gets through.
        StatusCode::PAYLOAD_TOO_LARGE => (Documents, SinkErrorKind::Undeliverable),
        status if status.is_server_error() => (Destination, SinkErrorKind::Unavailable),
        status if status.is_client_error() => judge(server_error),
        _ => (Destination, SinkErrorKind::Unauthorized),
    }
}

/// Judges by the code where the status says nothing: for a task there is none.
fn judge(server_error: &ServerError) -> (Blame, SinkErrorKind) {
    use Blame::{Destination, Documents};
    /// The index, its settings or the request's form: an operator can mend them.
    const OF_INDEX: &[&str] = &[
        "index_",
        "invalid_index_",
        "missing_index_",
        "invalid_settings_",
        "invalid_content_type",
        "missing_content_type",
        "unsupported_media_type",
        "invalid_api_key",
        "feature_not_enabled",
    ];
    match (&*server_error.class, &*server_error.code) {
        ("auth", _) => (Destination, SinkErrorKind::Unauthorized),
        ("internal" | "system", _) => (Destination, SinkErrorKind::Unavailable),
        // The index's embedder is another service, which can be down; or it chokes on one document.
        (_, "vector_embedding_error") => (Documents, SinkErrorKind::Unavailable),
        (_, code) if OF_INDEX.iter().any(|start| code.starts_with(start)) => {
            (Destination, SinkErrorKind::Unauthorized)
        }
        // Newer servers have other codes. Of a fault that is not the documents' every one of them is refused.
        _ => (Documents, SinkErrorKind::Rejected),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str, class: &str) -> ServerError {
        ServerError {
            code: code.to_owned(),
            class: class.to_owned(),
        }
    }

    #[test]
    fn a_failed_task_is_blamed_by_its_code() {
        use Blame::{Destination, Documents};
        use SinkErrorKind::{Rejected, Unauthorized, Unavailable};
        for (code, class, expected) in [
            ("invalid_document_id", "invalid_request", (Documents, Rejected)),
            ("missing_document_id", "invalid_request", (Documents, Rejected)),
            (
                "max_fields_limit_exceeded",
                "invalid_request",
                (Documents, Rejected),
            ),
            (
                "document_fields_limit_reached",
                "invalid_request",
                (Documents, Rejected),
            ),
            (
                "invalid_document_geo_field",
                "invalid_request",
                (Documents, Rejected),
            ),
            (
                "invalid_vector_dimensions",
                "invalid_request",
                (Documents, Rejected),
            ),
            ("a_code_of_tomorrow", "invalid_request", (Documents, Rejected)),
            (
                "vector_embedding_error",
                "invalid_request",
                (Documents, Unavailable),
            ),
            (
                "index_primary_key_already_exists",
                "invalid_request",
                (Destination, Unauthorized),
            ),
            (
                "invalid_settings_embedders",
                "invalid_request",
                (Destination, Unauthorized),
            ),
            ("invalid_api_key", "auth", (Destination, Unauthorized)),
            ("internal", "internal", (Destination, Unavailable)),
            ("no_space_left_on_device", "system", (Destination, Unavailable)),
            (
                "database_size_limit_reached",
                "internal",
                (Destination, Unavailable),
            ),
        ] {
            let refusal = Refusal::of_task(7, error(code, class), "users");
            assert_eq!((refusal.blame, refusal.error.kind()), expected, "{code}");
            assert_eq!(
                refusal.error.message(),
                format!("task 7 on users failed: {code}; the server's task 7 says more")
            );
        }
    }

    #[test]
    fn an_answer_is_judged_by_its_status_and_then_by_its_code() {
        use Blame::{Destination, Documents};
        use SinkErrorKind::{Rejected, Throttled, Timeout, Unauthorized, Unavailable, Undeliverable};
        let wait = Some(Duration::from_secs(10));
        for (status, retry_after, server_error, expected) in [
            (
                400,
                None,
                error("malformed_payload", "invalid_request"),
                (Documents, Rejected),
            ),
            (
                400,
                None,
                error("invalid_index_uid", "invalid_request"),
                (Destination, Unauthorized),
            ),
            (400, None, error("", ""), (Documents, Rejected)),
            (
                422,
                None,
                error("no_space_left_on_device", "system"),
                (Destination, Unavailable),
            ),
            (
                413,
                None,
                error("payload_too_large", "invalid_request"),
                (Documents, Undeliverable),
            ),
            (
                401,
                None,
                error("missing_authorization_header", "auth"),
                (Destination, Unauthorized),
            ),
            (
                403,
                None,
                error("invalid_api_key", "auth"),
                (Destination, Unauthorized),
            ),
            (404, None, error("", ""), (Destination, Unauthorized)),
            (302, None, error("", ""), (Destination, Unauthorized)),
            (408, None, error("", ""), (Destination, Timeout)),
            (
                429,
                wait,
                error("", ""),
                (Destination, Throttled { retry_after: wait }),
            ),
            (
                503,
                wait,
                error("", "system"),
                (Destination, Throttled { retry_after: wait }),
            ),
            (503, None, error("", ""), (Destination, Unavailable)),
            (
                500,
                wait,
                error("internal", "internal"),
                (Destination, Unavailable),
            ),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let refusal = Refusal::of_answer(status, retry_after, server_error, "http://a/", "why");
            assert_eq!((refusal.blame, refusal.error.kind()), expected, "{status}");
        }
    }
}
