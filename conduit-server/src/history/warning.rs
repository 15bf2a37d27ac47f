//! What a person should know of a subscription before it fails.

use std::time::Duration;

use conduit_core::{SubscriptionPhase, SubscriptionStatus, WallTime};
use conduit_mongo::OplogWindow;
use serde::Serialize;

use super::history::left;

/// Less than this part of the oplog's length left is short, whatever its length.
const SHORT_PART: f64 = 0.25;
/// Less than this is short for a subscription that lags, of however short an oplog.
const SHORT_TIME: Duration = Duration::from_secs(3600);
/// A position that is older than this lags. Idle ones move every ten seconds.
const LAGS_AFTER: Duration = Duration::from_secs(60);
/// It has to be better by so much before it is said to be well again, so that nothing is said to and fro.
const MARGIN: f64 = 1.25;

/// Something about a subscription that works, but will not for long, or not well.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Warning {
    /// A stable name: `history_short` or `stuck`.
    pub(crate) code: &'static str,
    /// What it is, for people.
    pub(crate) message: String,
}

/// Whether MongoDB overwrites what a position needs so soon that somebody should know.
pub(crate) fn is_short(window: &OplogWindow, position: WallTime) -> bool {
    is_less(window, position, 1.0)
}

/// Whether it is not short any more, with a margin.
pub(crate) fn has_recovered(window: &OplogWindow, position: WallTime) -> bool {
    !is_less(window, position, MARGIN)
}

fn is_less(window: &OplogWindow, position: WallTime, margin: f64) -> bool {
    let left = window.left(position);
    let lags = window.age(position) > LAGS_AFTER;
    left < window.length().mul_f64(SHORT_PART * margin) || (lags && left < SHORT_TIME.mul_f64(margin))
}

/// Returns what is to be said of a subscription; nothing when all is well.
pub(crate) fn warnings(status: &SubscriptionStatus, window: Option<OplogWindow>) -> Vec<Warning> {
    let history = history_short(status, window);
    let stuck = status.stuck.as_ref().map(|waits_for| Warning {
        code: "stuck",
        message: format!("input waits and nothing moves; it waits for {waits_for}"),
    });
    history.into_iter().chain(stuck).collect()
}

fn history_short(status: &SubscriptionStatus, window: Option<OplogWindow>) -> Option<Warning> {
    // That it is lost says more.
    if status.phase == SubscriptionPhase::Halted && status.reason.as_deref() == Some("history_lost") {
        return None;
    }
    let left = left(status, window)?;
    let (window, position) = (window?, status.position_time?);
    if !is_short(&window, position) {
        return None;
    }
    let message = if left.is_zero() {
        "MongoDB has overwritten the change at its position: it halts when it reads on".to_owned()
    } else {
        format!(
            "MongoDB overwrites the change at its position in about {}, of {} that its oplog holds at this rate",
            in_words(left),
            in_words(window.length())
        )
    };
    Some(Warning {
        code: "history_short",
        message,
    })
}

/// A duration in its two largest units.
fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The newest change is of this second.
    const NOW: i64 = 1_000_000;

    fn at(seconds: i64) -> WallTime {
        WallTime::from_millis(seconds * 1000)
    }

    fn oplog_of(seconds: i64) -> OplogWindow {
        OplogWindow::new(at(NOW - seconds), at(NOW), None)
    }

    fn status(phase: &str, age: i64, stuck: Option<&str>) -> SubscriptionStatus {
        let reason = (phase == "halted").then_some("history_lost");
        serde_json::from_value(json!({
            "id": "d", "phase": phase, "reason": reason, "since": 0, "lag_seconds": null, "position_time": at(NOW - age),
            "low_water_mark": null, "generation": 0, "delivered": 0, "filtered": 0, "retried": 0, "dead_lettered": 0,
            "retry_length": 0, "dlq_length": 0, "rate": 0.0, "last_error": null, "last_error_time": null, "stuck": stuck,
        }))
        .unwrap()
    }

    const HOUR: i64 = 3600;

    #[test]
    fn less_than_a_quarter_of_the_oplog_is_short_and_less_than_an_hour_for_one_that_lags() {
        for (length, age, expected) in [
            (24 * HOUR, 0, false),
            (24 * HOUR, 18 * HOUR - 1, false),
            (24 * HOUR, 18 * HOUR + 1, true),
            (24 * HOUR, 25 * HOUR, true),
            // An oplog of half an hour is short for one that lags, and as it is for others.
            (HOUR / 2, 10, false),
            (HOUR / 2, 60, false),
            (HOUR / 2, 61, true),
            (2 * HOUR, HOUR - 1, false),
            (2 * HOUR, HOUR + 1, true),
        ] {
            let short = is_short(&oplog_of(length), at(NOW - age));
            assert_eq!(short, expected, "{length} {age}");
        }
    }

    #[test]
    fn what_was_short_has_recovered_only_with_a_margin() {
        let oplog = oplog_of(100 * HOUR);
        let position = |left: i64| at(NOW - 100 * HOUR + left * HOUR);
        assert!(is_short(&oplog, position(24)) && !has_recovered(&oplog, position(24)));
        assert!(!is_short(&oplog, position(26)) && !has_recovered(&oplog, position(26)));
        assert!(has_recovered(&oplog, position(32)));
    }

    #[test]
    fn warnings_name_what_is_wrong_and_there_are_none_when_all_is_well() {
        let day = Some(oplog_of(24 * HOUR));
        assert_eq!(warnings(&status("streaming", 5, None), day), []);
        assert_eq!(warnings(&status("streaming", 23 * HOUR, None), None), []);
        let both = warnings(&status("streaming", 23 * HOUR, Some("the source: silence")), day);
        let codes: Vec<&str> = both.iter().map(|warning| warning.code).collect();
        assert_eq!(codes, ["history_short", "stuck"]);
        assert_eq!(
            both[0].message,
            "MongoDB overwrites the change at its position in about 1 h 0 min, of 1 d 0 h that its oplog holds at this rate"
        );
        assert!(both[1].message.ends_with("it waits for the source: silence"));
        let lost = warnings(&status("paused", 30 * HOUR, None), day);
        assert!(lost[0].message.starts_with("MongoDB has overwritten"), "{lost:?}");
        // What is lost is said by the state, and who waits for the lease knows nothing.
        assert_eq!(warnings(&status("halted", 30 * HOUR, None), day), []);
        assert_eq!(warnings(&status("waiting_for_lease", 30 * HOUR, None), day), []);
    }
}
