//! Which endpoints a destination may have.

use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Names by which clouds serve a machine's metadata, credentials among them.
const METADATA_NAMES: [&str; 2] = ["metadata", "metadata.google.internal"];
/// Addresses of the same that are not link-local: Alibaba's, Azure's and Oracle's.
const METADATA_ADDRESSES: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];
/// Amazon's, over IPv6.
const METADATA_ADDRESS_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

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
    let is_forbidden = match url.host() {
        None => return Err("must name a host".to_owned()),
        Some(Host::Ipv4(address)) => is_forbidden(address),
        Some(Host::Ipv6(address)) => {
            address.is_unicast_link_local()
                || address == METADATA_ADDRESS_V6
                || embedded(address).is_some_and(is_forbidden)
        }
        Some(Host::Domain(name)) => METADATA_NAMES.contains(&name.strip_suffix('.').unwrap_or(name)),
    };
    if is_forbidden {
        return Err("link-local and cloud metadata addresses are refused".to_owned());
    }
    Ok(url)
}

fn is_forbidden(address: Ipv4Addr) -> bool {
    address.is_link_local() || METADATA_ADDRESSES.contains(&address)
}

/// The IPv4 address that packets to an IPv6 address end at: mapped, compatible, NAT64, 6to4 or Teredo.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let bytes = address.octets();
    let four = |at: usize| {
        let part = bytes.get(at..at + 4)?;
        <[u8; 4]>::try_from(part).ok().map(Ipv4Addr::from)
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, _, _] | [0x64, 0xff9b, 0, 0, 0, 0, _, _] => four(12),
        [0x2002, ..] => four(2),
        [0x2001, 0, ..] => four(12).map(|hidden| Ipv4Addr::from_bits(!hidden.to_bits())),
        _ => None,
    }
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
