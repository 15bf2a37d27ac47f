//! Serves one connection.

use std::convert::Infallible;
use std::future::{self, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{self, Instant};

use super::log::Log;
use super::{Answer, Received};

/// Serves `stream` until one side closes it.
pub(super) async fn serve(stream: TcpStream, number: u64, log: Arc<Log>) {
    log.open.send_modify(|open| *open += 1);
    let _closed = CountDown(log.clone());
    let reset = Arc::new(Notify::new());
    let peer = stream.peer_addr().ok();
    let mut closing = log.closing.subscribe();
    let service = {
        let (log, reset) = (log.clone(), reset.clone());
        service_fn(move |request| Box::pin(answer(request, (number, peer), log.clone(), reset.clone())))
    };
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    loop {
        tokio::select! {
            // A client that goes away is no error of the receiver.
            _ = poll_fn(|cx| connection.poll_without_shutdown(cx)) => return,
            () = reset.notified() => {
                let _ = connection.into_parts().io.into_inner().set_zero_linger();
                return;
            }
            Ok(()) = closing.changed() => Pin::new(&mut connection).graceful_shutdown(),
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    (connection, peer): (u64, Option<SocketAddr>),
    log: Arc<Log>,
    reset: Arc<Notify>,
) -> Result<Response<AnswerBody>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let mut answer = log.admit(Received {
        number: 0,
        connection,
        peer,
        at: Instant::now(),
        method: head.method,
        target: head.uri,
        headers: head.headers,
        body,
        json: OnceLock::new(),
        status: None,
    });
    while let Answer::Slow(wait, inner) = answer {
        time::sleep(wait).await;
        answer = *inner;
    }
    match answer {
        Answer::Status(code) => Ok(response(code, &[], AnswerBody::Whole(Full::default()))),
        Answer::StatusWith { code, headers, body } => {
            Ok(response(code, &headers, AnswerBody::Whole(Full::new(body))))
        }
        Answer::HeadOnly(length) => Ok(response(200, &[], AnswerBody::Never(length))),
        Answer::CloseBeforeAnswer => {
            reset.notify_one();
            future::pending().await
        }
        Answer::Hang | Answer::Slow(..) => future::pending().await,
    }
}

fn response(code: u16, headers: &[(String, String)], body: AnswerBody) -> Response<AnswerBody> {
    let mut response = Response::builder().status(code);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(body).unwrap_or_else(|error| {
        // Said to the client, since the thread of the receiver has nobody else to tell.
        let mut failed = Response::new(AnswerBody::Whole(Full::from(format!(
            "the test's answer is wrong: {error}"
        ))));
        *failed.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        failed
    })
}

/// The body of an answer.
enum AnswerBody {
    Whole(Full<Bytes>),
    /// Announced to have so many bytes, of which none comes.
    Never(u64),
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match &mut *self {
            Self::Whole(body) => Pin::new(body).poll_frame(cx),
            Self::Never(_) => Poll::Pending,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Never(length) => SizeHint::with_exact(*length),
        }
    }
}

/// Counts a connection as closed when it goes out of scope, last of all.
struct CountDown(Arc<Log>);

impl Drop for CountDown {
    fn drop(&mut self) {
        self.0.open.send_modify(|open| *open -= 1);
    }
}
