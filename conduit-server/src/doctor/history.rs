//! How much history there is, and who needs it.

use std::time::Duration;

use conduit_mongo::{AdminErrorKind, CollectionAdmin, Denial, History};

use super::check::Check;
use super::finding::Finding;
use super::mongodb::report;
use super::patience::{bounded, no_answer, shown};

/// For how long a destination may be away at the least.
const SHORTEST_WINDOW: Duration = Duration::from_secs(24 * 3600);
/// An oplog of less is too young to tell how far it will reach back.
const YOUNG: Duration = Duration::from_secs(600);

/// What is known of the history, for whoever needs some of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    pub(super) history: Option<History>,
    pub(super) image_expiry: Option<Duration>,
}

/// Examines the oplog and for how long stored images are kept.
pub(super) async fn examine(admin: &CollectionAdmin, needs_images: bool) -> (Vec<Check>, Known) {
    let (asked, other) = (admin.clone(), admin.clone());
    let (history, image_expiry) = tokio::join!(
        bounded(async move { asked.history().await }),
        bounded(async move { other.image_expiry().await })
    );
    let mut known = Known {
        history: None,
        image_expiry: image_expiry.flatten(),
    };
    let oplog = match history {
        Some(Ok(history)) => {
            known.history = Some(history);
            judge(&history)
        }
        Some(Err(error)) if error.denial() == Some(Denial::NotAllowed) => Finding::warning(
            "the user may not read the oplog (local.oplog.rs): nobody can say when history is lost",
            "Run as an administrator: db.getSiblingDB(\"admin\").grantRolesToUser(\"<user>\", [{role: \"read\", db: \"local\"}, \
             {role: \"clusterMonitor\", db: \"admin\"}])",
        ),
        Some(Err(error)) if error.kind() == AdminErrorKind::NotSupported => {
            Finding::skipped("this deployment does not show its oplog")
        }
        Some(Err(error)) => Finding::skipped(report(&error)),
        None => Finding::skipped(no_answer()),
    };
    let mut checks = vec![Check::new("mongodb history", oplog)];
    if needs_images {
        checks.push(Check::new("stored images", judge_expiry(&known)));
    }
    (checks, known)
}

fn judge(history: &History) -> Finding {
    let window = shown(history.window());
    if let Some(retention) = history
        .retention
        .filter(|retention| *retention >= SHORTEST_WINDOW)
    {
        return Finding::ok(format!(
            "the oplog reaches back {window}, and keeps {} in any case",
            shown(retention)
        ));
    }
    let is_full = history.is_full().unwrap_or(true);
    let expected = history.expected_window();
    let is_short = if is_full {
        history.window() < SHORTEST_WINDOW
    } else {
        history.window() >= YOUNG && expected < SHORTEST_WINDOW
    };
    let found = match is_full {
        true => format!("the oplog is full and reaches back {window}"),
        false if history.window() < YOUNG => format!("the oplog is {window} old and has room left"),
        false => format!(
            "the oplog has room left and will reach back about {}",
            shown(expected)
        ),
    };
    if is_short {
        return Finding::warning(
            format!("{found}: a destination that is away for longer loses changes"),
            "Run on each member: mongosh --eval 'db.adminCommand({replSetResizeOplog: 1, minRetentionHours: 24})', and set \
             storage.oplogMinRetentionHours: 24 in mongod.conf, with disk for it.",
        );
    }
    Finding::ok(found)
}

fn judge_expiry(known: &Known) -> Finding {
    const CURE: &str = "Run: mongosh \"$MONGODB_URI\" --eval 'db.adminCommand({setClusterParameter: {changeStreamOptions: \
                        {preAndPostImages: {expireAfterSeconds: \"off\"}}}})'. Then images stay as long as the oplog does.";
    match (known.image_expiry, known.history) {
        (None, _) => Finding::ok("stored images stay as long as the oplog does"),
        (Some(expiry), Some(history)) if expiry < history.window() || expiry < SHORTEST_WINDOW => {
            Finding::warning(
                format!(
                    "stored images go after {}, and the oplog reaches back {}: what is delivered later has no old image",
                    shown(expiry),
                    shown(history.window())
                ),
                CURE,
            )
        }
        (Some(expiry), None) if expiry < SHORTEST_WINDOW => Finding::warning(
            format!(
                "stored images go after {}: what is delivered later has no old image",
                shown(expiry)
            ),
            CURE,
        ),
        (Some(expiry), _) => Finding::ok(format!("stored images stay for {}", shown(expiry))),
    }
}

#[cfg(test)]
mod tests {
    use conduit_core::ClusterTime;

    use super::*;
    use crate::doctor::Verdict;

    fn history(hours: u32, percent: u64) -> History {
        History {
            oldest: ClusterTime::new(1_000, 0),
            newest: ClusterTime::new(1_000 + hours * 3_600, 0),
            bytes: Some(percent),
            max_bytes: Some(100),
            retention: None,
        }
    }

    #[test]
    fn a_full_oplog_of_less_than_a_day_is_short_unless_it_is_kept_anyway() {
        assert_eq!(judge(&history(3, 100)).verdict, Verdict::Warning);
        assert_eq!(judge(&history(30, 100)).verdict, Verdict::Ok);
        let kept = History {
            retention: Some(Duration::from_secs(86_400)),
            ..history(3, 100)
        };
        assert_eq!(judge(&kept).verdict, Verdict::Ok);
    }

    #[test]
    fn one_that_has_room_left_is_judged_by_what_it_will_be() {
        assert_eq!(judge(&history(3, 50)).verdict, Verdict::Warning);
        assert_eq!(judge(&history(3, 10)).verdict, Verdict::Ok);
        assert_eq!(judge(&history(0, 50)).verdict, Verdict::Ok, "too young to tell");
    }

    #[test]
    fn images_that_go_before_the_oplog_does_are_said() {
        let known = |expiry: Option<u64>| Known {
            history: Some(history(30, 100)),
            image_expiry: expiry.map(Duration::from_secs),
        };
        assert_eq!(judge_expiry(&known(None)).verdict, Verdict::Ok);
        assert_eq!(judge_expiry(&known(Some(3_600))).verdict, Verdict::Warning);
        assert_eq!(judge_expiry(&known(Some(200_000))).verdict, Verdict::Ok);
    }
}
