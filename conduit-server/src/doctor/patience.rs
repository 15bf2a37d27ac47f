//! How long an examination waits.

use std::time::Duration;

/// How long one check may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// How long a server may take to be found, so that a check can say so before its own time is up.
pub(super) const REACH: Duration = Duration::from_secs(3);

/// Waits for an answer, but not for ever; `None` if there is none.
///
/// It runs in a task of its own, since a driver's future is never dropped midway; what comes too late ends by itself, by
/// the time-outs of the client.
pub(super) async fn bounded<T: Send + 'static>(
    asking: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let asking = tokio::spawn(asking);
    tokio::time::timeout(PATIENCE, asking).await.ok()?.ok()
}

/// What is said of a server that lets one wait.
pub(super) fn no_answer() -> String {
    format!("no answer within {} s", PATIENCE.as_secs())
}

/// A length of time for people, in its largest unit.
pub(super) fn shown(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds / 60),
        seconds @ 7_200..=172_799 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}
