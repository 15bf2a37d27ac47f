//! Says which subscriptions are stuck: input waits, and nothing moves.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::board::Board;
use super::stop::StopSignal;
use crate::value::SubscriptionId;

/// How often it looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// Between two looks lies more than this only if the process was frozen, or starved.
const LONGEST_LOOK: Duration = Duration::from_secs(15);
/// Of how many subscriptions a look tells by name: a store that is down makes all of them stuck at once.
const MAX_LINES: usize = 20;

/// A subscription that got stuck or goes on again, as one look found it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It waits for this.
    Stuck(&'static str),
    /// It goes on again, or something else is to be said of it.
    Moves,
}

/// Looks at all subscriptions of an engine every few seconds, notes in their status which are stuck, and logs each once.
///
/// A task of its own: whatever a subscription hangs in, this one still runs. Only if every thread of the runtime is
/// blocked nothing is said.
#[derive(Debug)]
pub(crate) struct Watchdog {
    board: Arc<Board>,
}

impl Watchdog {
    pub(crate) fn new(board: Arc<Board>) -> Self {
        Self { board }
    }

    /// Looks until told to stop.
    pub(crate) async fn run(self, mut stop: StopSignal) {
        let mut last_look = Instant::now();
        let mut awake_since = last_look;
        loop {
            tokio::select! {
                _ = stop.stopped() => return,
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
            }
            let now = Instant::now();
            if now.duration_since(last_look) > LONGEST_LOOK {
                awake_since = now;
            }
            last_look = now;
            tell(&self.board.watch(now, awake_since));
        }
    }
}

fn tell(changes: &[(SubscriptionId, Change)]) {
    for (id, change) in changes.iter().take(MAX_LINES) {
        let (collection, destination) = (&id.collection, &id.destination);
        match change {
            Change::Stuck(waits_for) => {
                tracing::warn!(%collection, %destination, waits_for, "stuck: input waits and nothing moves");
            }
            Change::Moves => tracing::info!(%collection, %destination, "not stuck any more"),
        }
    }
    let more = changes.len().saturating_sub(MAX_LINES);
    if more > 0 {
        tracing::warn!(
            more,
            "so many more subscriptions are stuck, or not any more: the status tells which"
        );
    }
}
