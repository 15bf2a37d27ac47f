//! Connects to addresses that the egress guard has checked, and to no others.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use conduit_core::BoxError;
use hyper::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::egress::{EgressError, EgressGuard, literal};

/// How long a connection may take to be made; a time-out of the request that is shorter comes first.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// After how long in silence the peer of an open connection is asked for a sign of life.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

type BoxFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// Makes TCP connections.
///
/// The connector within asks the guard for the addresses of a name and connects to these; for a literal address it asks
/// nobody, so that one is checked here.
#[derive(Clone, Debug)]
pub(super) struct GuardedConnector {
    guard: EgressGuard,
    inner: HttpConnector<GuardedResolver>,
}

impl GuardedConnector {
    pub(super) fn new(guard: EgressGuard) -> Self {
        let mut inner = HttpConnector::new_with_resolver(GuardedResolver(guard.clone()));
        inner.enforce_http(false);
        inner.set_nodelay(true);
        inner.set_connect_timeout(Some(CONNECT_TIMEOUT));
        inner.set_keepalive(Some(KEEP_ALIVE));
        Self { guard, inner }
    }
}

impl Service<Uri> for GuardedConnector {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = BoxFuture<Self::Response, BoxError>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(BoxError::from)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        if let Some(address) = target.host().and_then(literal)
            && let Err(refused) = self.guard.policy().check_address(address)
        {
            return Box::pin(async { Err(refused.into()) });
        }
        let connecting = self.inner.call(target);
        Box::pin(async { connecting.await.map_err(BoxError::from) })
    }
}

/// Gives the connector the addresses that the guard allows.
#[derive(Clone, Debug)]
pub(super) struct GuardedResolver(EgressGuard);

impl Service<Name> for GuardedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = EgressError;
    type Future = BoxFuture<Self::Response, EgressError>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), EgressError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let guard = self.0.clone();
        Box::pin(async move {
            let addresses = guard.resolve(name.as_str()).await?;
            // The connector puts the port of the request in place of 0.
            let addresses: Vec<SocketAddr> = addresses
                .into_iter()
                .map(|address| SocketAddr::new(address, 0))
                .collect();
            Ok(addresses.into_iter())
        })
    }
}
