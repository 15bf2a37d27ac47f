//! A dead letter's JSON.

use jiff::Timestamp;

use conduit_core::{DeadLetter, DestinationId, WallTime};

/// Writes a dead letter's JSON object from its second field on: the store puts `{"id":<id>,` before it.
///
/// The record's own JSON is embedded as it is.
pub(crate) fn dead_letter_tail(destination: &DestinationId, letter: &DeadLetter) -> Vec<u8> {
    let record = letter.record.json();
    let mut json = Vec::with_capacity(record.len() + letter.last_error.len() + 240);
    json.extend_from_slice(b"\"destination\":");
    push_string(&mut json, destination.as_str());
    json.extend_from_slice(b",\"record\":");
    json.extend_from_slice(record);
    json.extend_from_slice(b",\"attempts\":");
    json.extend_from_slice(letter.attempts.to_string().as_bytes());
    json.extend_from_slice(b",\"first_attempt\":");
    push_string(&mut json, &rfc3339(letter.first_attempt));
    json.extend_from_slice(b",\"last_attempt\":");
    push_string(&mut json, &rfc3339(letter.last_attempt));
    json.extend_from_slice(b",\"last_error\":");
    push_string(&mut json, &letter.last_error);
    json.extend_from_slice(b",\"stale\":false}");
    json
}

/// Writes what a redrive needs to know of a dead letter without reading its record.
#[cfg(any(feature = "embedded", feature = "redis"))]
pub(crate) fn dead_letter_index(destination: &DestinationId, letter: &DeadLetter) -> String {
    #[derive(serde::Serialize)]
    struct Index<'a> {
        v: u32,
        destination: &'a DestinationId,
        key: conduit_core::RecordKey,
        sequence: &'a conduit_core::Sequence,
    }
    let (key, sequence) = (letter.record.key(), letter.record.sequence());
    super::write(&Index {
        v: super::FORMAT_VERSION,
        destination,
        key,
        sequence,
    })
}

/// The moment in UTC with milliseconds; one outside the calendar's range becomes the nearest that is inside.
fn rfc3339(time: WallTime) -> String {
    let nearest = if time.as_millis() < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    let moment = Timestamp::from_millisecond(time.as_millis()).unwrap_or(nearest);
    format!("{moment:.3}")
}

fn push_string(json: &mut Vec<u8>, text: &str) {
    // Writing a string to a Vec cannot fail.
    let _ = serde_json::to_writer(json, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_milliseconds_and_utc() {
        assert_eq!(rfc3339(WallTime::from_millis(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(
            rfc3339(WallTime::from_millis(1_795_380_247_402)),
            "2026-11-22T20:44:07.402Z"
        );
        assert!(rfc3339(WallTime::from_millis(i64::MAX)).starts_with("9999-12-30"));
    }
}
