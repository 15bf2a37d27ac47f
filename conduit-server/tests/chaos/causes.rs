//! Why a record came twice.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::arrivals::Arrival;
use crate::mood::Fate;

/// How long after an answer the commit of it is done for sure, while the store answers: the promised 100 ms, and what a
/// busy machine adds.
const COMMIT_MARGIN: Duration = Duration::from_millis(400);
/// How long after the store is back a commit that waited for it may take.
const STORE_MARGIN: Duration = Duration::from_millis(2_500);

/// How soon after its thaw a worker has written what it had begun to send when it was frozen.
const THAWING: Duration = Duration::from_millis(500);

/// What can make a record come twice, the surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    AnswerLost,
    WorkerKilled,
    WorkerFrozen,
    /// The state store was away when the delivery was to be committed.
    CommitFailed,
    /// Must not happen.
    GracefulStop,
    /// Must not happen.
    Unexplained,
}

impl Cause {
    pub(crate) const ALL: [Self; 6] = [
        Self::AnswerLost,
        Self::WorkerKilled,
        Self::WorkerFrozen,
        Self::CommitFailed,
        Self::GracefulStop,
        Self::Unexplained,
    ];

    /// Whether a record may come twice by this.
    pub(crate) fn is_allowed(self) -> bool {
        !matches!(self, Self::GracefulStop | Self::Unexplained)
    }

    fn margin(self) -> Duration {
        match self {
            Self::CommitFailed => STORE_MARGIN,
            _ => COMMIT_MARGIN,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AnswerLost => "answer lost",
            Self::WorkerKilled => "worker killed",
            Self::WorkerFrozen => "worker frozen",
            Self::CommitFailed => "commit failed",
            Self::GracefulStop => "graceful stop",
            Self::Unexplained => "unexplained",
        })
    }
}

/// A stretch of time in which deliveries may have gone without a commit.
#[derive(Clone, Debug)]
pub(crate) struct Episode {
    pub(crate) cause: Cause,
    /// Whose deliveries; without one those of all.
    pub(crate) process: Option<u32>,
    pub(crate) from: Instant,
    pub(crate) until: Instant,
}

impl Episode {
    /// Whether it is a freeze during which another worker sent to the destination, so had its lease.
    pub(crate) fn is_take_over(&self, arrivals: &[Arrival]) -> bool {
        let is_other = |sender: u32| self.process != Some(sender);
        self.cause == Cause::WorkerFrozen
            && arrivals.iter().any(|arrival| {
                arrival.sender.is_some_and(is_other)
                    && (self.from..self.until + THAWING).contains(&arrival.at)
            })
    }

    /// Whether the arrival may be what a worker was about to send when it was frozen, and sent when it was thawed.
    pub(crate) fn may_have_held_back(&self, arrival: &Arrival) -> bool {
        arrival.sender.is_none_or(|sender| self.process == Some(sender))
            && (self.until..self.until + THAWING).contains(&arrival.at)
    }
}

/// What was done to the cluster and when.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    episodes: Mutex<Vec<Episode>>,
    ends: Mutex<Vec<Instant>>,
}

impl Timeline {
    pub(crate) fn add(&self, cause: Cause, process: Option<u32>, (from, until): (Instant, Instant)) {
        let episode = Episode {
            cause,
            process,
            from,
            until,
        };
        self.episodes.lock().unwrap().push(episode);
    }

    /// Notes that a disturbance is over: what it was done to is there again.
    pub(crate) fn end(&self) {
        self.ends.lock().unwrap().push(Instant::now());
    }

    pub(crate) fn ends(&self) -> Vec<Instant> {
        self.ends.lock().unwrap().clone()
    }

    pub(crate) fn episodes(&self) -> Vec<Episode> {
        self.episodes.lock().unwrap().clone()
    }
}

/// Returns why a record came again after it had come as `earlier`: the surest cause that fits.
pub(crate) fn cause_of_repeat(earlier: &Arrival, episodes: &[Episode]) -> Cause {
    if earlier.fate == Fate::AnswerLost {
        return Cause::AnswerLost;
    }
    let fits = |episode: &&Episode| {
        let is_theirs = match (episode.process, earlier.sender) {
            (Some(process), Some(sender)) => process == sender,
            _ => true,
        };
        is_theirs && earlier.is_within(episode.from, episode.until, episode.cause.margin())
    };
    let causes = episodes.iter().filter(fits).map(|episode| episode.cause);
    causes.min().unwrap_or(Cause::Unexplained)
}

/// How many repeats each cause has.
pub(crate) fn count(causes: impl IntoIterator<Item = Cause>) -> BTreeMap<Cause, usize> {
    let mut counts: BTreeMap<Cause, usize> = Cause::ALL.iter().map(|cause| (*cause, 0)).collect();
    for cause in causes {
        *counts.entry(cause).or_default() += 1;
    }
    counts
}
