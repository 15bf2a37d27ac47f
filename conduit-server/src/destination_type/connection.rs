//! Whether an endpoint takes connections, in words.

use std::error::Error;
use std::time::Duration;

use conduit_core::{Clock, SystemClock};
use conduit_sinks::http::{ConnectionCheck, ConnectionError, ConnectionErrorKind, HttpClient};
use url::Url;

use crate::doctor::Finding;

/// How long a certificate should still be valid: those that renew themselves do so a month before.
const SOON: Duration = Duration::from_secs(14 * DAY);
const DAY: u64 = 24 * 3600;

/// Connects to the server of a URL as a delivery would; sends nothing.
pub(super) async fn try_connection(client: &HttpClient, url: &Url) -> Finding {
    let server = server_of(url);
    match client.check_connection(url).await {
        Ok(ConnectionCheck::Clear) => Finding::ok(format!("{server} takes connections")),
        Ok(ConnectionCheck::Encrypted { valid_until }) => {
            let left = valid_until.map(|until| until.as_millis() - SystemClock.now().as_millis());
            let left = left.map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or(0)));
            encrypted(&server, left)
        }
        Err(error) => refused(&server, &error),
    }
}

/// Names a URL's server: never its path and query, which may hold credentials.
fn server_of(url: &Url) -> String {
    let (host, port) = (
        url.host_str().unwrap_or_default(),
        url.port_or_known_default().unwrap_or_default(),
    );
    format!("{}://{host}:{port}", url.scheme())
}

fn encrypted(server: &str, left: Option<Duration>) -> Finding {
    match left {
        None => Finding::ok(format!("{server} takes connections, its certificate is trusted")),
        Some(left) if left < SOON => Finding::warning(
            format!(
                "the certificate of {server} expires in {} days",
                left.as_secs() / DAY
            ),
            "Renew the certificate of the endpoint; deliveries are held from the moment at which it has expired.",
        ),
        Some(left) => Finding::ok(format!(
            "{server} takes connections, its certificate is trusted and valid for {} days",
            left.as_secs() / DAY
        )),
    }
}

fn refused(server: &str, error: &ConnectionError) -> Finding {
    let cause = error
        .source()
        .map(|cause| format!(": {cause}"))
        .unwrap_or_default();
    let cure = match error.kind() {
        ConnectionErrorKind::NotAllowed => {
            "Give it a public address, or start API and workers with CONDUIT_EGRESS=any; link-local and metadata addresses are \
             refused in any case."
        }
        ConnectionErrorKind::Unresolved => {
            "Correct the host of its endpoint, or the name server that this machine asks (/etc/resolv.conf)."
        }
        ConnectionErrorKind::Unreachable => {
            "Start the server at its endpoint, or correct host and port of the endpoint; look for a firewall between it and \
             this machine."
        }
        ConnectionErrorKind::CertificateExpired => {
            "Renew the certificate of the endpoint and have its server load it; records wait until then."
        }
        ConnectionErrorKind::CertificateRefused => {
            "Have a known authority sign the certificate for the host of the endpoint, with the authorities in between. Or have \
             this machine trust its authority: SSL_CERT_FILE names the file of those that are trusted."
        }
        _ => {
            "Correct the scheme or the port of its endpoint: https needs a server that speaks TLS 1.2 or newer."
        }
    };
    let found = match error.kind() {
        ConnectionErrorKind::NotAllowed => error.to_string(),
        _ => format!("{server} cannot be used: {error}{cause}"),
    };
    Finding::failed(found, cure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_server_is_named_without_what_may_be_secret() {
        let url = Url::parse("https://hooks.example/services/T0KEN?key=secret").unwrap();
        assert_eq!(server_of(&url), "https://hooks.example:443");
    }

    #[test]
    fn a_certificate_that_expires_soon_is_said() {
        let days = |days: u64| encrypted("https://a:443", Some(Duration::from_secs(days * DAY)));
        assert_eq!(days(13).verdict, Verdict::Warning);
        assert_eq!(days(15).verdict, Verdict::Ok);
    }
}
