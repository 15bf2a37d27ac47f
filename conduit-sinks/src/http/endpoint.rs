//! Where requests go.

use hyper::Uri;
use url::Url;

/// A checked endpoint: `http` or `https`, with a host, without user info.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    uri: Uri,
    shown: String,
}

impl Endpoint {
    /// Checks an endpoint; the error says what is wrong, without repeating the text.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
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
        Ok(Self {
            uri,
            shown: url.into(),
        })
    }

    /// Returns the target of requests.
    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Returns the endpoint as messages show it: without its query, which often holds a credential.
    pub(super) fn shown(&self) -> &str {
        &self.shown
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
