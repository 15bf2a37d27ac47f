//! The HTTP client that sinks share.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;

use super::HttpSetupError;
use super::connector::GuardedConnector;
use crate::egress::{EgressGuard, EgressPolicy};
use crate::request_body::RequestBody;

/// How long an unused connection is kept. Common servers close theirs after 5 seconds (Node, Apache) or later;
/// a request must not meet a connection that is just being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// After how long in silence the peer of an HTTP/2 connection is asked for a sign of life.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// A pool of connections to any number of servers. Cloning is cheap and shares the pool.
///
/// Speaks HTTP/1.1, and HTTP/2 where a TLS server offers it. Follows no redirect, uses no proxy, whatever the environment
/// says of one, decompresses nothing, trusts the machine's certificate authorities, or Mozilla's if the machine has none.
///
/// Connects only to addresses that its [`EgressPolicy`] allows: names are resolved once for each connection, and what was
/// checked is what is connected to. Connections are kept by scheme, host and port and used again unchecked, since they
/// lead where they led when they were made.
///
/// A request is sent once. Only one that was not begun, since its pooled connection turned out to be closed, is sent
/// on another.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: Client<HttpsConnector<GuardedConnector>, RequestBody>,
    pub(super) guard: EgressGuard,
    /// What servers are trusted by.
    pub(super) tls: Arc<ClientConfig>,
}

impl HttpClient {
    /// Makes a client with a pool of its own, whose requests go where `policy` allows. Reads the machine's certificates,
    /// so make one and share it.
    ///
    /// # Errors
    /// [`HttpSetupError::Tls`] if TLS cannot be set up.
    pub fn new(policy: EgressPolicy) -> Result<Self, HttpSetupError> {
        Self::with_guard(EgressGuard::new(policy))
    }

    /// Makes a client that asks `guard` where it may connect to, say one with a resolver of its own.
    ///
    /// # Errors
    /// [`HttpSetupError::Tls`] if TLS cannot be set up.
    pub fn with_guard(guard: EgressGuard) -> Result<Self, HttpSetupError> {
        let tls = || {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map_err(|error| HttpSetupError::Tls(error.into()))
        };
        let roots = match tls()?.with_native_roots() {
            Ok(native) => native,
            Err(_) => tls()?.with_webpki_roots(),
        };
        Ok(Self::with_tls(roots.with_no_client_auth(), guard))
    }

    fn with_tls(config: ClientConfig, guard: EgressGuard) -> Self {
        let tls = Arc::new(config.clone());
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(GuardedConnector::new(guard.clone()));
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            // Only for a request that the connection gives back whole, so that no server can have seen any of it.
            .retry_canceled_requests(true)
            .build(connector);
        Self { client, guard, tls }
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn send(
        &self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, legacy::Error> {
        self.client.request(request).await
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use bytes::Bytes;
    use conduit_core::RecordBatch;
    use http_body_util::Full;

    use hyper::Version;
    use hyper::body::Body;
    use hyper::server::conn::http2;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::{RootCertStore, ServerConfig};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// Serves HTTP/2 over TLS on `localhost`; checks each request's body.
    async fn server() -> (SocketAddr, CertificateDer<'static>) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![made.cert.der().clone()], key)
                .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let service = service_fn(async |request: Request<Incoming>| {
                    assert_eq!(request.body().size_hint().exact(), Some(4));
                    Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::new())))
                });
                let serving =
                    http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
                let _ = serving.await;
            }
        });
        (address, made.cert.der().clone())
    }

    #[tokio::test]
    async fn a_server_with_a_trusted_certificate_is_spoken_to_in_http_2_where_it_offers_that() {
        let (address, certificate) = server().await;
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = HttpClient::with_tls(config, EgressGuard::new(EgressPolicy::Any));
        for _ in 0..3 {
            let mut request = Request::new(RequestBody::new(
                Bytes::from_static(b"body"),
                &RecordBatch::new(Vec::new()),
            ));
            *request.uri_mut() = format!("https://localhost:{}/", address.port()).parse().unwrap();
            let response = client.send(request).await.unwrap();
            assert_eq!(
                (response.status().as_u16(), response.version()),
                (200, Version::HTTP_2)
            );
        }
    }
}
