//! Sleeping until a moment that may not be known.

use tokio::time::Instant;

/// Sleeps until `at`, for ever if there is no such moment.
pub(crate) async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
