//! Encrypted connections.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use conduit_core::SinkErrorKind;
use conduit_sinks::egress::EgressPolicy;
use conduit_sinks::http::{ConnectionCheck, ConnectionErrorKind, HttpClient, HttpConfig};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::{deliver, sink};

/// Starts a TLS server with a certificate that nobody signed but itself. Its task ends with the first handshake and
/// returns how that went.
async fn self_signed_server() -> (SocketAddr, JoinHandle<std::io::Result<()>>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let handshake = tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        TlsAcceptor::from(Arc::new(config))
            .accept(stream)
            .await
            .map(|_| ())
    });
    (address, handshake)
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let (address, handshake) = self_signed_server().await;
    let url = format!("https://localhost:{}/", address.port());
    let error = deliver(&sink(HttpConfig::new(&url)), 1).await.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Unavailable);
    assert_eq!(
        error.report(),
        format!("cannot connect to {url}: invalid peer certificate: UnknownIssuer")
    );
    assert!(
        handshake.await.unwrap().is_err(),
        "the server's side went through"
    );
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_unavailable() {
    let receiver = conduit_testkit::receiver::Receiver::start().await;
    let url = format!("https://{}/", receiver.address());
    let error = deliver(&sink(HttpConfig::new(&url)), 1).await.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Unavailable);
    assert!(
        error.report().starts_with(&format!("cannot connect to {url}: ")),
        "{}",
        error.report()
    );
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn a_connection_is_tried_without_a_request() {
    let client = HttpClient::new(EgressPolicy::Any).unwrap();
    let kind = async |url: &str| {
        let checked = client.check_connection(&url.parse().unwrap()).await;
        checked.map_err(|error| error.kind())
    };
    let receiver = conduit_testkit::receiver::Receiver::start().await;
    let address = receiver.address();
    assert_eq!(
        kind(&format!("http://{address}/x")).await,
        Ok(ConnectionCheck::Clear)
    );
    assert_eq!(
        kind(&format!("https://{address}/x")).await,
        Err(ConnectionErrorKind::Tls)
    );
    assert!(receiver.received().is_empty());
    let (address, handshake) = self_signed_server().await;
    let url = format!("https://localhost:{}/", address.port());
    assert_eq!(kind(&url).await, Err(ConnectionErrorKind::CertificateRefused));
    assert!(handshake.await.unwrap().is_err());
    assert_eq!(
        kind("http://127.0.0.1:1/").await,
        Err(ConnectionErrorKind::Unreachable)
    );
    assert_eq!(
        kind("http://no-such-host.invalid/").await,
        Err(ConnectionErrorKind::Unresolved)
    );
    assert_eq!(
        kind("http://169.254.169.254/").await,
        Err(ConnectionErrorKind::NotAllowed)
    );
}
