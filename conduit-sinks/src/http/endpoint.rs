//! Where requests go.

use hyper::Uri;
use url::Url;

/// A checked endpoint: `http` or `https`, with a host, without user info.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    uri: Uri,
    shown: String,
    server: String,
}

impl Endpoint {
    /// Checks an endpoint; the error says what is wrong, without repeating the text.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        const NOT_A_URL: &str = "is not a valid URL, such as https://example.com/changes";
        let mut url = match Url::parse(text) {
            Ok(url) => url,
            Err(url::ParseError::RelativeUrlWithoutBase) => {
                return Err("must begin with http:// or https://");
            }
            Err(_) => return Err(NOT_A_URL),
        };
        if !matches!(url.scheme(), "http" | "https") {
            return Err("must begin with http:// or https://");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("cannot hold a user name or password: use bearer_token");
        }
        url.set_fragment(None);
        let uri: Uri = url.as_str().parse().map_err(|_| NOT_A_URL)?;
        url.set_query(None);
        // Both are there: an http URL has a host, and its scheme a port.
        let (host, port) = (
            url.host_str().unwrap_or_default(),
            url.port_or_known_default().unwrap_or_default(),
        );
        Ok(Self {
            uri,
            server: format!("{}://{host}:{port}", url.scheme()),
            shown: url.into(),
        })
    }

    /// Returns the target of requests.
    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Returns the endpoint as messages show it: without its query, which often holds a credential.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// Returns the server that requests go to: scheme, host and port, the port always written out.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_keep_the_query_and_messages_do_not() {
        let endpoint = Endpoint::parse("HTTPS://Example.com:443/a b?k=v#part").unwrap();
        assert_eq!(endpoint.uri().to_string(), "https://example.com/a%20b?k=v");
        assert_eq!(endpoint.shown(), "https://example.com/a%20b");
    }

    #[test]
    fn a_server_is_named_by_scheme_host_and_port_alone() {
        for (text, server) in [
            ("HTTPS://Example.com/a?key=secret#part", "https://example.com:443"),
            ("https://example.com:443/b", "https://example.com:443"),
            ("http://example.com", "http://example.com:80"),
            ("http://[::1]:9000/x", "http://[::1]:9000"),
        ] {
            assert_eq!(Endpoint::parse(text).unwrap().server(), server, "{text}");
        }
    }

    #[test]
    fn only_web_addresses_without_user_info_are_accepted() {
        for good in [
            "http://127.0.0.1:8080",
            "https://[::1]/x",
            "http://a/?q",
            "http://a/x|y",
        ] {
            assert!(Endpoint::parse(good).is_ok(), "{good} was refused");
        }
        for bad in [
            "",
            "example.com/x",
            "ftp://a",
            "http://",
            "http://me@a/",
            "http://:pw@a/",
            "http://a:99999",
        ] {
            assert!(Endpoint::parse(bad).is_err(), "{bad} was taken");
        }
    }
}
