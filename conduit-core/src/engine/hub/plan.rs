//! Where a group opens its next stream.

use tokio::time::Instant;

use super::member::Member;
use super::run::Run;
use crate::value::Position;

/// A run takes members along that are no farther ahead of it than this, in seconds of the source's time.
const NEAR_SECONDS: u32 = 300;
/// So little behind the lead, or near ahead of it, those that it does not cover begin in a stream that takes its place.
const BEHIND_SECONDS: u32 = 2;

/// A stream to be opened.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// For those that wait.
    Narrow(Position),
    /// For everybody: it takes the lead's place.
    Wide(Position),
}

/// Whether one who stands at `ahead` is taken along by a run that stands at or before it.
pub(super) fn is_near(run: &Position, ahead: &Position) -> bool {
    is_within(NEAR_SECONDS, run, ahead)
}

fn is_within(seconds: u32, behind: &Position, ahead: &Position) -> bool {
    ahead.time().t.saturating_sub(behind.time().t) <= seconds
}

/// Where to open for those that wait: whoever has waited the longest is served, and with it all that stand near.
pub(super) fn next_opening(waiting: &[Member], lead: Option<&Run>, now: Instant) -> Option<Opening> {
    let able = || waiting.iter().filter(|member| member.is_able(now));
    let first = able().min_by_key(|member| (member.waits_since, &member.position))?;
    if let Some(lead) = lead.filter(|lead| !lead.covers(&first.target))
        && is_within(BEHIND_SECONDS, &first.position, lead.position())
        && is_near(lead.position(), &first.position)
        && !first.position.is_of_other_source(lead.position())
    {
        return Some(Opening::Wide(lead.position().min(&first.position).clone()));
    }
    let stands_near = |member: &&Member| {
        let (one, other) = (&member.position, &first.position);
        !one.is_of_other_source(other) && is_near(one.min(other), one.max(other))
    };
    let oldest = able().filter(stands_near).map(|member| &member.position).min();
    oldest.cloned().map(Opening::Narrow)
}
