//! How much a request may send.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// The largest body that is taken.
pub(super) const MAX_BYTES: usize = 1024 * 1024;
/// How much is read of a larger one.
const MAX_DRAINED: usize = 4 * MAX_BYTES;

/// Reads the body before anything is done, whether or not a handler wants it.
pub(crate) async fn enforce(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    // A little more is read than is taken, since a client that is cut off while it sends does not see the answer.
    let read = to_bytes(body, MAX_DRAINED).await.ok();
    match read.filter(|bytes| bytes.len() <= MAX_BYTES) {
        Some(bytes) => next.run(Request::from_parts(parts, Body::from(bytes))).await,
        None => too_large().into_response(),
    }
}

pub(super) fn too_large() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        "a body can have 1 MiB at most",
    )
}
