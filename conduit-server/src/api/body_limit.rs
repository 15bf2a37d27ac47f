//! How much a request may send, and for how long.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use tokio::time::timeout;

use super::problem::Problem;

/// The largest body that is taken.
pub(super) const MAX_BYTES: usize = 1024 * 1024;
/// How much is read of a larger one.
const MAX_DRAINED: usize = 4 * MAX_BYTES;
/// How long a body may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads the body before anything is done, whether or not a handler wants it.
pub(crate) async fn enforce(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match timeout(PATIENCE, read(body)).await {
        Ok(Ok(bytes)) => next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Ok(Err(problem)) => problem.into_response(),
        Err(_elapsed) => {
            let detail = "the body did not come within 30 seconds";
            Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail).into_response()
        }
    }
}

/// Reads a body. Of one that is too large a little more is read, and not kept, since a client that is cut off while it sends
/// does not see the answer.
async fn read(mut body: Body) -> Result<Bytes, Problem> {
    let (mut kept, mut count) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(Problem::bad_request(
                "body_cut_short",
                "the body ended before it was whole",
            ));
        };
        let Ok(data) = frame.into_data() else { continue };
        count += data.len();
        if count > MAX_DRAINED {
            break;
        }
        if count > MAX_BYTES {
            kept = Vec::new();
        } else {
            kept.extend_from_slice(&data);
        }
    }
    if count > MAX_BYTES {
        return Err(too_large());
    }
    Ok(kept.into())
}

pub(super) fn too_large() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        "a body can have 1 MiB at most",
    )
}
