//! How moments are shown.

use conduit_core::WallTime;
use jiff::Timestamp;

/// RFC 3339 in UTC with milliseconds; a moment beyond the calendar is shown as its nearest one.
pub(crate) fn rfc3339(time: WallTime) -> String {
    let moment = Timestamp::from_millisecond(time.as_millis()).unwrap_or(Timestamp::MAX);
    format!("{moment:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_rfc_3339_with_milliseconds() {
        assert_eq!(
            rfc3339(WallTime::from_millis(1_795_380_247_402)),
            "2026-11-22T20:44:07.402Z"
        );
        assert_eq!(rfc3339(WallTime::from_millis(0)), "1970-01-01T00:00:00.000Z");
    }
}
