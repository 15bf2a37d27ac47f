//! The `Retry-After` header of an answer.

use std::time::{Duration, UNIX_EPOCH};

use conduit_core::WallTime;
use hyper::header::{HeaderMap, RETRY_AFTER};

/// The longest wait that a destination can ask for.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// Returns how long the answer asks to wait, at most 5 minutes, or `None` if it does not say or cannot be understood.
/// Both forms of RFC 9110 are known: seconds, and a date in any of its three spellings. A date in the past is no wait.
pub(crate) fn retry_after(headers: &HeaderMap, now: WallTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number holds is a very long wait all the same.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let date = httpdate::parse_http_date(text).ok()?;
        let millis = date
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis());
        WallTime::from_millis(i64::try_from(millis).unwrap_or(i64::MAX)).since(now)
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT.
    const NOW: WallTime = WallTime::from_millis(784_111_777_000);

    fn parsed(text: &str) -> Option<Duration> {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_str(text).unwrap())]);
        retry_after(&headers, NOW)
    }

    #[test]
    fn seconds_and_dates_in_all_spellings_are_understood() {
        assert_eq!(parsed("0"), Some(Duration::ZERO));
        assert_eq!(parsed(" 7 "), Some(Duration::from_secs(7)));
        for date in [
            "Sun, 06 Nov 1994 08:49:57 GMT",
            "Sunday, 06-Nov-94 08:49:57 GMT",
            "Sun Nov  6 08:49:57 1994",
        ] {
            assert_eq!(parsed(date), Some(Duration::from_secs(20)), "{date}");
        }
        assert_eq!(parsed("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
    }

    #[test]
    fn a_wait_is_at_most_five_minutes() {
        for long in [
            "301",
            "86400",
            "99999999999999999999999999",
            "Sat, 06 Nov 2094 08:49:37 GMT",
        ] {
            assert_eq!(parsed(long), Some(MAX_RETRY_AFTER), "{long}");
        }
    }

    #[test]
    fn what_cannot_be_understood_is_no_wait_at_all() {
        for bad in ["", "soon", "-1", "1.5", "1s"] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }
}
