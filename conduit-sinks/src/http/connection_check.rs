//! Whether a server can be connected to, asked without a request.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use conduit_core::{BoxError, WallTime};
use rustls::CertificateError;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;

use super::HttpClient;
use super::certificate::valid_until;
use crate::egress::EgressError;

/// A connection that came about, and was closed again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConnectionCheck {
    /// In the clear: the scheme is `http`.
    Clear,
    /// Encrypted, to a server whose certificate is trusted.
    Encrypted {
        /// Until when the certificate is valid, if that can be read.
        valid_until: Option<WallTime>,
    },
}

/// Why no connection came about: what to mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectionErrorKind {
    /// The egress policy does not allow the address.
    NotAllowed,
    /// The name has no address.
    Unresolved,
    /// Nothing takes connections there.
    Unreachable,
    /// The certificate has expired.
    CertificateExpired,
    /// The certificate is not trusted: another's, not signed by a known authority, not valid yet.
    CertificateRefused,
    /// The server does not speak TLS, or no version of it that is still safe.
    Tls,
}

/// Why no connection came about.
#[derive(Debug)]
pub struct ConnectionError {
    kind: ConnectionErrorKind,
    message: String,
    source: Option<BoxError>,
}

impl ConnectionError {
    fn new(kind: ConnectionErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Returns what to mend.
    #[must_use]
    pub fn kind(&self) -> ConnectionErrorKind {
        self.kind
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for ConnectionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

impl HttpClient {
    /// Connects to the server of a URL as a delivery would, over TLS if the scheme says so, and closes the connection. No
    /// request is sent. Has no time-out of its own; cancel-safe.
    ///
    /// # Errors
    /// Why it did not come about. The message names host and port of the URL, and nothing else of it.
    pub async fn check_connection(&self, url: &Url) -> Result<ConnectionCheck, ConnectionError> {
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(ConnectionError::new(
                ConnectionErrorKind::Unresolved,
                "the URL names no host",
            ));
        };
        let addresses = self
            .guard
            .resolve(host)
            .await
            .map_err(|error| not_resolved(host, error))?;
        let stream = connect(&addresses, host, port).await?;
        if url.scheme() != "https" {
            return Ok(ConnectionCheck::Clear);
        }
        let plain = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(host);
        let name = ServerName::try_from(plain.to_owned()).map_err(|error| {
            let message = format!("no certificate can be for the name {host}");
            ConnectionError::new(ConnectionErrorKind::CertificateRefused, message).with_source(error)
        })?;
        let connecting = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream);
        let encrypted = connecting
            .await
            .map_err(|error| not_encrypted(host, port, error))?;
        let certificates = encrypted.get_ref().1.peer_certificates().unwrap_or_default();
        Ok(ConnectionCheck::Encrypted {
            valid_until: certificates
                .first()
                .and_then(|certificate| valid_until(certificate)),
        })
    }
}

async fn connect(addresses: &[IpAddr], host: &str, port: u16) -> Result<TcpStream, ConnectionError> {
    let sockets: Vec<SocketAddr> = addresses
        .iter()
        .map(|address| SocketAddr::new(*address, port))
        .collect();
    TcpStream::connect(&*sockets).await.map_err(|error| {
        let message = format!("nothing takes connections at {host}:{port}");
        ConnectionError::new(ConnectionErrorKind::Unreachable, message).with_source(error)
    })
}

fn not_resolved(host: &str, error: EgressError) -> ConnectionError {
    match error {
        EgressError::Refused(refused) => {
            ConnectionError::new(ConnectionErrorKind::NotAllowed, refused.to_string())
        }
        EgressError::Unresolved(error) => {
            let message = format!("the name {host} cannot be resolved");
            ConnectionError::new(ConnectionErrorKind::Unresolved, message).with_source(error)
        }
    }
}

fn not_encrypted(host: &str, port: u16, error: std::io::Error) -> ConnectionError {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let (kind, message) = match inner {
        Some(rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => (
            ConnectionErrorKind::CertificateExpired,
            format!("the certificate of {host}:{port} has expired"),
        ),
        Some(rustls::Error::InvalidCertificate(_)) => (
            ConnectionErrorKind::CertificateRefused,
            format!("the certificate of {host}:{port} is not trusted"),
        ),
        _ => (
            ConnectionErrorKind::Tls,
            format!("{host}:{port} takes connections and does not agree on TLS"),
        ),
    };
    ConnectionError::new(kind, message).with_source(error)
}
