//! Sessions of people who signed in: a cookie in place of a token.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use conduit_core::WallTime;
use ring::hmac;

const COOKIE: &str = "conduit_session";
/// How long somebody stays signed in.
const LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// What signs the sessions of one token: they end with it, whatever process made them, and nothing of it can be told from
/// them.
#[derive(Clone)]
pub(super) struct SessionKey(hmac::Key);

impl SessionKey {
    pub(super) fn of(token: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, token.as_bytes()))
    }

    /// Makes a session that begins now: its end in seconds since the epoch, and the signature of that.
    pub(super) fn begin(&self, now: WallTime) -> String {
        let end = now.after(LIFETIME).as_millis() / 1000;
        let signature = hmac::sign(&self.0, signed(end).as_bytes());
        let hex: String = signature
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("{end}.{hex}")
    }

    /// Whether it made this session, and it has not ended. Takes the same time whatever is wrong with the signature.
    pub(super) fn has_made(&self, session: &str, now: WallTime) -> bool {
        let Some((end, signature)) = session.split_once('.') else {
            return false;
        };
        let (Ok(end), Some(signature)) = (end.parse::<i64>(), bytes_of(signature)) else {
            return false;
        };
        hmac::verify(&self.0, signed(end).as_bytes(), &signature).is_ok() && now.as_millis() / 1000 < end
    }
}

fn signed(end: i64) -> String {
    format!("conduit session until {end}")
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.map(byte).collect()
}

/// Finds the session among a request's cookies.
pub(super) fn sent(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).iter();
    let cookies = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    cookies
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE).then_some(value))
}

/// The header that has a browser keep a session.
pub(super) fn kept(session: &str, headers: &HeaderMap) -> Option<HeaderValue> {
    cookie(session, LIFETIME.as_secs(), headers)
}

/// The header that has a browser forget its session.
pub(super) fn forgotten(headers: &HeaderMap) -> Option<HeaderValue> {
    cookie("", 0, headers)
}

fn cookie(value: &str, seconds: u64, headers: &HeaderMap) -> Option<HeaderValue> {
    // Whether it came over TLS only the proxy in front knows.
    let is_secure = headers
        .get("x-forwarded-proto")
        .is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"));
    let secure = if is_secure { "; Secure" } else { "" };
    let text = format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_good_for_its_token_until_its_end_and_unchanged() {
        let (key, begin) = (SessionKey::of("token"), WallTime::from_millis(1_000_000));
        let session = key.begin(begin);
        assert!(!session.contains("token"));
        assert!(key.has_made(&session, begin));
        assert!(SessionKey::of("token").has_made(&session, begin));
        assert!(!SessionKey::of("other").has_made(&session, begin));
        assert!(!key.has_made(&session, begin.after(LIFETIME)));
        let (end, signature) = session.split_once('.').unwrap();
        let later = end.parse::<i64>().unwrap() + 1;
        for forged in [
            format!("{later}.{signature}"),
            format!("{end}."),
            format!("{end}.{}", &signature[2..]),
            format!("{end}.zz{}", &signature[2..]),
            format!("{end}.é{}", &signature[2..]),
            end.to_owned(),
            String::new(),
        ] {
            assert!(!key.has_made(&forged, begin), "{forged}");
        }
    }

    #[test]
    fn the_cookie_is_found_among_others_and_is_secure_where_the_request_was() {
        let mut headers = HeaderMap::new();
        assert_eq!(sent(&headers), None);
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; b=2"));
        headers.append(
            header::COOKIE,
            HeaderValue::from_static("x_conduit_session=3; conduit_session=4.5"),
        );
        assert_eq!(sent(&headers), Some("4.5"));
        let text = |value: Option<HeaderValue>| value.unwrap().to_str().unwrap().to_owned();
        assert!(!text(kept("s", &headers)).contains("Secure"));
        headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
        let kept = text(kept("s", &headers));
        for part in [
            "conduit_session=s;",
            "HttpOnly",
            "SameSite=Strict",
            "Path=/",
            "Secure",
        ] {
            assert!(kept.contains(part), "{kept}");
        }
        assert!(text(forgotten(&headers)).contains("Max-Age=0"));
    }
}
