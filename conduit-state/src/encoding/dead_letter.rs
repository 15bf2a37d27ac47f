//! A dead letter's JSON, and the entry beside it with what the JSON does not hold.

use jiff::Timestamp;

use conduit_core::{DeadLetter, DestinationId, WallTime};

/// Writes a dead letter's JSON object from its second field on: the store puts `{"id":<id>,` before it.
///
/// The record's own JSON is embedded as it is. The last field is whether the letter is stale.
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
    json.extend_from_slice(b",\"stale\":");
    json.extend_from_slice(if letter.stale { b"true}" } else { b"false}" });
    json
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
