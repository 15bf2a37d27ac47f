//! Which endpoints a destination may have.

use conduit_sinks::egress::EgressPolicy;
use url::Url;

/// Checks an endpoint; the message never repeats it, since it may hold a password.
pub(crate) fn check_endpoint(text: &str) -> Result<Url, String> {
    // The parser takes away what these refuse, and the endpoint would be another than the one that was given.
    if text.trim() != text || text.contains(char::is_control) {
        return Err("cannot hold control characters, nor begin or end with white space".to_owned());
    }
    let url = Url::parse(text).map_err(|error| format!("must be an http or https URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must be an http or https URL".to_owned());
    }
    let after_scheme = text
        .get(url.scheme().len()..)
        .and_then(|rest| rest.strip_prefix("://"));
    if after_scheme.is_none_or(|rest| rest.starts_with(['/', '\\'])) {
        return Err("must be an http or https URL: a scheme, `://` and a host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("cannot hold user info: use bearer_token".to_owned());
    }
    if url.fragment().is_some() {
        return Err("cannot hold a fragment (#)".to_owned());
    }
    if url.port() == Some(0) {
        return Err("cannot have port 0".to_owned());
    }
    if url.host().is_none() {
        return Err("must name a host".to_owned());
    }
    // What is refused whatever the server is told; the rest is checked by who knows that.
    EgressPolicy::Any
        .check_url(&url)
        .map_err(|_refused| "link-local and cloud metadata addresses are refused".to_owned())?;
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_and_link_local_addresses_are_refused_in_every_form() {
        for host in [
            "169.254.169.254",
            "2852039166",
            "0xa9fea9fe",
            "169.254.170.2",
            "100.100.100.200",
            "168.63.129.16",
            "metadata",
            "Metadata.Google.Internal",
            "metadata.google.internal.",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "[::ffff:169.254.169.254]",
            "[::169.254.169.254]",
            "[64:ff9b::169.254.169.254]",
            "[64:ff9b::100.100.100.200]",
            "[2002:a9fe:a9fe::1]",
            "[2001:0:1:2:3:4:5601:5601]",
        ] {
            let checked = check_endpoint(&format!("http://{host}/"));
            assert!(
                checked.as_ref().is_err_and(|message| message.contains("refused")),
                "{host}: {checked:?}"
            );
        }
        for host in [
            "10.0.0.1",
            "localhost",
            "metadata.example.com",
            "[::1]",
            "[64:ff9b::10.0.0.1]",
            "[2002:a00:1::1]",
            "[2001:db8::a9fe:a9fe]",
        ] {
            assert!(check_endpoint(&format!("http://{host}/")).is_ok(), "{host}");
        }
    }

    #[test]
    fn an_endpoint_is_taken_as_it_is_or_not_at_all() {
        for endpoint in [
            " http://a/",
            "http://a/ ",
            "\u{a0}http://a/",
            "http://a/\t",
            "http://a/b\nc",
            "http:///x",
            "http:x",
            "http:/x",
            "http:\\\\x",
            "http://\\x",
            "http://a:0/",
        ] {
            assert!(check_endpoint(endpoint).is_err(), "{endpoint:?} was taken");
        }
        for endpoint in ["http://a", "HTTPS://a:8443/x?y=%20", "http://a/ü"] {
            assert!(check_endpoint(endpoint).is_ok(), "{endpoint:?}");
        }
    }
}
