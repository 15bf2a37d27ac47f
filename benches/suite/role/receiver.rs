//! A receiver of records that does as little as it can.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::Role;
use super::job::ReceiverJob;
use crate::{Failure, clock};

/// Counts requests and answers 200.
pub(super) struct Receiver {
    address: SocketAddr,
    seen: Arc<Seen>,
}

struct Seen {
    requests: AtomicU64,
    bytes: AtomicU64,
    /// When the first and the last request came, in nanoseconds of [`clock::now`]; the first is 0 if none did.
    first: AtomicU64,
    last: AtomicU64,
    delay: Duration,
    keeps_arrivals: bool,
    /// The number of each record, and when it arrived, in nanoseconds of [`clock::now`].
    arrivals: Mutex<Vec<(i64, u64)>>,
}

impl Receiver {
    pub(super) async fn new(job: &ReceiverJob) -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let seen = Arc::new(Seen {
            requests: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            first: AtomicU64::new(0),
            last: AtomicU64::new(0),
            delay: Duration::from_millis(job.delay_ms),
            keeps_arrivals: job.keeps_arrivals,
            arrivals: Mutex::default(),
        });
        // Both live as long as the process, which is their owner.
        tokio::spawn(accept(listener, Arc::clone(&seen)));
        Ok(Self { address, seen })
    }
}

#[async_trait]
impl Role for Receiver {
    fn introduction(&self) -> Value {
        json!({ "url": format!("http://{}/", self.address) })
    }

    async fn answer(&mut self, word: &str) -> Result<Value, Failure> {
        match word {
            "received" => Ok(json!({
                "requests": self.seen.requests.load(Ordering::Relaxed),
                "bytes": self.seen.bytes.load(Ordering::Relaxed),
                "first": self.seen.first.load(Ordering::Relaxed),
                "last": self.seen.last.load(Ordering::Relaxed),
            })),
            "forget" => {
                for value in [
                    &self.seen.requests,
                    &self.seen.bytes,
                    &self.seen.first,
                    &self.seen.last,
                ] {
                    value.store(0, Ordering::Relaxed);
                }
                Ok(Value::Null)
            }
            "arrivals" => {
                let mut arrivals = self.seen.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(serde_json::to_value(std::mem::take(&mut *arrivals))?)
            }
            other => Err(format!("the receiver does not know {other:?}").into()),
        }
    }
}

async fn accept(listener: TcpListener, seen: Arc<Seen>) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let seen = Arc::clone(&seen);
        tokio::spawn(async move {
            let service = service_fn(move |request| take(request, Arc::clone(&seen)));
            let mut server = http1::Builder::new();
            let serving = server
                .auto_date_header(false)
                .serve_connection(TokioIo::new(stream), service);
            // A client that hangs up in the middle is its own affair: what it missed it will send again.
            let _ = serving.await;
        });
    }
}

async fn take(request: Request<Incoming>, seen: Arc<Seen>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let mut body = request.into_body();
    let mut text = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        seen.bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
        if seen.keeps_arrivals {
            text.extend_from_slice(&data);
        }
    }
    let now = u64::try_from(clock::now().as_nanos()).unwrap_or(u64::MAX);
    if seen.keeps_arrivals
        && let Some(number) = number(&text)
    {
        let mut arrivals = seen.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        arrivals.push((number, now));
    }
    if !seen.delay.is_zero() {
        tokio::time::sleep(seen.delay).await;
    }
    if seen.requests.fetch_add(1, Ordering::Relaxed) == 0 {
        seen.first.store(now, Ordering::Relaxed);
    }
    seen.last.store(now, Ordering::Relaxed);
    Ok(Response::new(Empty::new()))
}

/// The number that the record's document has as its `_id`.
fn number(record: &[u8]) -> Option<i64> {
    const NAME: &[u8] = b"\"_id\":";
    let start = record.windows(NAME.len()).position(|window| window == NAME)? + NAME.len();
    let digits = record
        .get(start..)?
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    let digits: Vec<u8> = digits.copied().collect();
    std::str::from_utf8(&digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_the_documents_id() {
        assert_eq!(
            number(br#"{"keys":{"_id":123},"newImage":{"_id":123}}"#),
            Some(123)
        );
        assert_eq!(number(br#"{"keys":{"_id":"x"}}"#), None);
    }
}
