//! From which page a browser sends a request.

use axum::http::{HeaderMap, header};

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

#[cfg(test)]
mod tests {
    use super::*;

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
