//! What every answer says of itself.

use axum::http::{HeaderValue, header};
use axum::response::Response;

/// Has browsers and proxies keep no copy, and take an answer for nothing but what it says it is.
pub(crate) async fn keep(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers
        .entry(header::X_CONTENT_TYPE_OPTIONS)
        .or_insert(HeaderValue::from_static("nosniff"));
    response
}
