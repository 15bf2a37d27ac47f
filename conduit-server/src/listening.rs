//! Takes connections and answers what comes over them.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::{Request, service};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower_service::Service;

/// Most connections at the same time. Deliveries need file descriptors too.
const MAX_CONNECTIONS: usize = 384;
/// How long a connection may say nothing, or not all of a request's head.
const HEAD_PATIENCE: Duration = Duration::from_secs(20);
/// How long nothing is accepted after the system refused to.
const REST: Duration = Duration::from_millis(100);

/// Serves until `shutdown`, and then until all requests that have begun are answered. Handlers learn who asks.
pub(crate) async fn serve(listener: TcpListener, routes: Router, shutdown: impl Future<Output = ()>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HEAD_PATIENCE);
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = async {
            // Closed never; whoever comes while there is no place waits in the system's queue.
            let place = Arc::clone(&places).acquire_owned().await;
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accepted => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "a connection was not accepted");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        let routes = routes.clone();
        let answer = service::service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo::<SocketAddr>(peer));
            routes.clone().call(request)
        });
        let connection = builder.serve_connection(TokioIo::new(stream), answer);
        let connection = graceful.watch(connection.into_owned());
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%peer, error, "a connection ended");
            }
            drop(place);
        });
    }
    drop(listener);
    graceful.shutdown().await;
}
