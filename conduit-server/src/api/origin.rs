//! From which page a browser sends a request.

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};
use url::{Host, Url};

/// Ends of names that nobody can register.
const LOCAL_SUFFIXES: [&str; 4] = [".localhost", ".local", ".internal", ".test"];

/// Where a request comes from, as far as the browser that sends it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A page of this server.
    Same,
    /// A page of somebody else.
    Other,
    /// It does not say: it is no browser, or an old one.
    Unknown,
}

impl Origin {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        // The browser itself compares, so that a proxy that changes `Host` does no harm.
        match (text("sec-fetch-site"), text(header::ORIGIN.as_str())) {
            (Some("same-origin"), _) => Self::Same,
            (Some(_), _) => Self::Other,
            (None, Some(origin)) => {
                let host = text(header::HOST.as_str()).unwrap_or_default();
                match origin.split_once("://") {
                    Some((_, from)) if from.eq_ignore_ascii_case(host) => Self::Same,
                    _ => Self::Other,
                }
            }
            (None, None) => Self::Unknown,
        }
    }
}

/// Whether a request names the server by what nobody else can have point here: an address, this machine, a name of a local
/// network. Whoever owns another name could have a browser that trusts that name speak to this server.
pub(super) fn is_local_name(request: &Request) -> bool {
    let header = request.headers().get(header::HOST);
    let authority = header.and_then(|value| value.to_str().ok());
    let authority = authority.or_else(|| request.uri().authority().map(Authority::as_str));
    let Some(authority) = authority else {
        return header.is_none();
    };
    let Ok(url) = Url::parse(&format!("http://{authority}/")) else {
        return false;
    };
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            !name.contains('.') || LOCAL_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
        }
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => true,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn a_name_that_somebody_else_may_have_point_here_is_no_local_one() {
        let is_local = |host: &str| {
            let request = Request::builder()
                .header("host", host)
                .body(Body::empty())
                .unwrap();
            is_local_name(&request)
        };
        for local in [
            "127.0.0.1:8080",
            "[::1]",
            "localhost:1",
            "conduit",
            "a.localhost",
            "c.ns.svc.cluster.local",
            "c.internal:80",
        ] {
            assert!(is_local(local), "{local}");
        }
        for other in [
            "evil.example",
            "evil.example:8080",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "a b",
        ] {
            assert!(!is_local(other), "{other}");
        }
        assert!(is_local_name(
            &Request::builder().uri("/").body(Body::empty()).unwrap()
        ));
    }

    #[test]
    fn what_the_browser_says_counts_before_what_can_be_compared() {
        let of = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            Origin::of(&pairs.collect())
        };
        assert_eq!(of(&[("host", "a:1")]), Origin::Unknown);
        assert_eq!(of(&[("host", "a:1"), ("origin", "http://A:1")]), Origin::Same);
        for other in ["http://a:2", "http://b:1", "null", "a:1"] {
            let headers = [("host", "a:1"), ("origin", other)];
            assert_eq!(of(&headers), Origin::Other, "{other}");
        }
        assert_eq!(
            of(&[
                ("host", "inner"),
                ("origin", "https://outer"),
                ("sec-fetch-site", "same-origin")
            ]),
            Origin::Same
        );
        for site in ["same-site", "cross-site", "none"] {
            assert_eq!(of(&[("sec-fetch-site", site)]), Origin::Other, "{site}");
        }
    }
}
