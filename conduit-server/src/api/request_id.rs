//! Names requests, so that an answer and the log lines of a request can be brought together.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::Instant;
use tracing::Instrument;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id that is taken from a request.
const MAX_LENGTH: usize = 128;

/// The name of a request: its own `x-request-id`, or one that is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(String);

impl RequestId {
    /// Takes what the client sent if it can stand in a log line as it is, so that nobody writes lines of their own there.
    fn of(sent: Option<&HeaderValue>) -> Self {
        let is_sane = |id: &&str| {
            (1..=MAX_LENGTH).contains(&id.len())
                && id
                    .bytes()
                    .all(|c| c.is_ascii_alphanumeric() || b"-_.:/+=".contains(&c))
        };
        let sent = sent.and_then(|id| id.to_str().ok()).filter(is_sane);
        sent.map_or_else(Self::made, |id| Self(id.to_owned()))
    }

    /// Random bytes tell this process from others, a number its requests apart.
    fn made() -> Self {
        static PROCESS: LazyLock<u64> = LazyLock::new(|| {
            let mut bytes = [0; 8];
            // Without randomness ids are still unique within the process.
            let _ = SystemRandom::new().fill(&mut bytes);
            u64::from_be_bytes(bytes)
        });
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(format!(
            "{:016x}-{}",
            *PROCESS,
            NEXT.fetch_add(1, Ordering::Relaxed)
        ))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Gives the request an id, which its answer and all its log lines have.
pub(crate) async fn give(mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers().get(&HEADER));
    // Of the highest level, so that it is there whatever is logged. A query is not logged.
    let span = tracing::error_span!(
        "request", id = id.as_str(), method = %request.method(), path = request.uri().path()
    );
    request.extensions_mut().insert(id.clone());
    let begin = Instant::now();
    let mut response = async {
        let response = next.run(request).await;
        let status = response.status().as_u16();
        tracing::debug!(status, milliseconds = begin.elapsed().as_millis(), "answered");
        response
    }
    .instrument(span)
    .await;
    if let Ok(value) = HeaderValue::try_from(id.0) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_if_a_log_line_can_hold_it_and_made_otherwise() {
        let of = |text: &'static str| RequestId::of(Some(&HeaderValue::from_static(text)));
        for sane in ["7", "a-B_c.9", "urn:x/1+2="] {
            assert_eq!(of(sane).as_str(), sane);
        }
        let long = HeaderValue::try_from("x".repeat(MAX_LENGTH + 1)).unwrap();
        assert_eq!(RequestId::of(Some(&long)).as_str().len(), 18);
        for odd in ["", "a b", "a\"b", "a;b"] {
            assert_ne!(of(odd).as_str(), odd);
        }
        assert_ne!(RequestId::of(None), RequestId::of(None));
    }
}
