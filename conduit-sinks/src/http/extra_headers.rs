//! Headers that the configuration adds to each request.

use hyper::HeaderMap;
use hyper::header::{self, HeaderName, HeaderValue};

use crate::{ConfigFault, Secret};

/// Most headers that can be added.
const MAX_HEADERS: usize = 64;

/// Most bytes of a header's value; common servers take 8 KiB for a whole request's head.
const MAX_VALUE: usize = 8 * 1024;

/// Headers that say what a request is or how it is sent: Conduit sets them, or the connection does, or they would promise
/// what is not so.
const RESERVED: [HeaderName; 14] = [
    header::ACCEPT_ENCODING,
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::EXPECT,
    header::HOST,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::USER_AGENT,
];

/// All headers of Standard Webhooks begin like this.
const WEBHOOK_PREFIX: &str = "webhook-";

/// Checks the headers and puts them into a map, each value marked so that no library shows it.
pub(super) fn check(
    headers: &[(String, Secret)],
    has_bearer_token: bool,
) -> Result<HeaderMap, Vec<ConfigFault>> {
    let mut map = HeaderMap::with_capacity(headers.len());
    let mut faults = Vec::new();
    let mut fault = |message: String| faults.push(ConfigFault::new("headers", message));
    if headers.len() > MAX_HEADERS {
        fault(format!("can be at most {MAX_HEADERS}"));
    }
    for (text, value) in headers {
        let Ok(name) = HeaderName::from_bytes(text.as_bytes()) else {
            fault(format!("{text:?} is no legal name of a header"));
            continue;
        };
        if RESERVED.contains(&name) || name.as_str().starts_with(WEBHOOK_PREFIX) {
            fault(format!("{name} cannot be set: Conduit sets it itself"));
        } else if name == header::AUTHORIZATION && has_bearer_token {
            fault(format!("{name} cannot be set together with bearer_token"));
        } else if map.contains_key(&name) {
            fault(format!("{name} is there twice"));
        }
        match header_value(value) {
            Ok(value) => {
                map.insert(name, value);
            }
            Err(message) => fault(format!("the value of {name} {message}")),
        }
    }
    if faults.is_empty() { Ok(map) } else { Err(faults) }
}

/// What must not be quoted of the headers: the values, and of a value such as `Basic abc` also what stands behind the
/// scheme.
pub(super) fn credentials(headers: &[(String, Secret)]) -> impl Iterator<Item = Secret> {
    headers.iter().flat_map(|(_, value)| {
        let behind_scheme = value.reveal().split_once(' ').map(|(_, rest)| rest.trim());
        [Some(value.clone()), behind_scheme.map(Secret::new)]
            .into_iter()
            .flatten()
    })
}

fn header_value(value: &Secret) -> Result<HeaderValue, String> {
    let text = value.reveal();
    if text.is_empty() {
        return Err("cannot be empty".to_owned());
    }
    if text.len() > MAX_VALUE {
        return Err(format!("can have at most {MAX_VALUE} bytes"));
    }
    if text.trim() != text {
        return Err("cannot begin or end with white space".to_owned());
    }
    let legal = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    let checked = HeaderValue::from_str(text).ok();
    let Some(mut checked) = checked.filter(|_| text.bytes().all(legal)) else {
        return Err("can only hold visible ASCII characters and spaces".to_owned());
    };
    checked.set_sensitive(true);
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(headers: &[(&str, &str)], has_bearer_token: bool) -> Vec<String> {
        let headers: Vec<(String, Secret)> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Secret::new(*value)))
            .collect();
        let faults = check(&headers, has_bearer_token).err().unwrap_or_default();
        assert!(faults.iter().all(|fault| fault.field == "headers"));
        faults.into_iter().map(|fault| fault.message).collect()
    }

    #[test]
    fn headers_that_conduit_or_the_connection_sets_are_refused_in_any_case() {
        for name in [
            "Content-Type",
            "content-length",
            "HOST",
            "Transfer-Encoding",
            "connection",
            "User-Agent",
            "webhook-id",
            "Webhook-Signature",
            "webhook-anything",
            "Content-Encoding",
            "accept-encoding",
            "te",
        ] {
            let expected = format!("{} cannot be set: Conduit sets it itself", name.to_lowercase());
            assert_eq!(faults(&[(name, "x")], false), [expected]);
        }
        assert_eq!(faults(&[("Authorization", "Basic eA==")], false), [""; 0]);
        assert_eq!(
            faults(&[("Authorization", "Basic eA==")], true),
            ["authorization cannot be set together with bearer_token"]
        );
    }

    #[test]
    fn every_fault_is_found_and_no_value_is_shown() {
        let found = faults(
            &[
                ("", "hidden"),
                ("a b", "hidden"),
                ("x-empty", ""),
                ("x-line", "hidden\r\nx-other: 1"),
                ("x-unicode", "hiddén"),
                ("x-space", " hidden"),
                ("x-twice", "hidden"),
                ("X-Twice", "hidden"),
                ("x-long", &"h".repeat(MAX_VALUE + 1)),
            ],
            false,
        );
        let expected = [
            "\"\" is no legal name of a header",
            "\"a b\" is no legal name of a header",
            "the value of x-empty cannot be empty",
            "the value of x-line can only hold visible ASCII characters and spaces",
            "the value of x-unicode can only hold visible ASCII characters and spaces",
            "the value of x-space cannot begin or end with white space",
            "x-twice is there twice",
            "the value of x-long can have at most 8192 bytes",
        ];
        assert_eq!(found, expected);
        let many: Vec<(String, Secret)> = (0..=MAX_HEADERS)
            .map(|number| (format!("x-{number}"), Secret::new("v")))
            .collect();
        assert_eq!(check(&many, false).unwrap_err().len(), 1);
    }
}
