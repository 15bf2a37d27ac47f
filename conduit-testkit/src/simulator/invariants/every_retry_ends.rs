//! Retries follow their schedule, are counted, and end.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use conduit_core::{DeadLetter, ParkedRecord, RecordKey, SinkErrorKind};

use super::super::happening::{Answer, Cause, Happening, Session};
use super::super::names;
use super::super::violation::Violation;
use super::super::world::{Holder, World};
use super::{Invariant, Observation};

const NAME: &str = "every retry ends";
/// What the jitter and the clock's unit may add or take.
const TOLERANCE: f64 = 0.1;
const UNIT: Duration = Duration::from_millis(2);
/// No destination is held before so many keys have failed.
const KEYS_OF_A_HOLD: usize = 20;

/// A record is given up when its attempts are used up, not sooner and not later; waiting and throttling are no attempts; no
/// retry comes before its time; and in the end nothing waits.
#[derive(Debug, Default)]
pub(in super::super) struct EveryRetryEnds {
    /// By destination and record: how often it may count as tried in vain.
    failures: HashMap<(usize, usize), u32>,
    /// When it failed last, and under which lease.
    failed: HashMap<(usize, usize), (Duration, Holder)>,
    /// Records whose last failure may have been no attempt, so that it is not stored: their destination failed as a whole, or
    /// its failures may have been taken for that.
    maybe_unstored: HashSet<(usize, usize)>,
    /// The keys of each destination that ever failed.
    failed_keys: HashMap<usize, HashSet<RecordKey>>,
    undeliverable: HashSet<(usize, usize)>,
    /// Destinations that the store set back, or refused a commit of.
    starting_again: HashSet<usize>,
}

impl Invariant for EveryRetryEnds {
    fn check(&mut self, seen: &Observation<'_>) -> Result<(), Violation> {
        let world = seen.world;
        match seen.happening {
            Happening::Answered {
                session,
                life,
                answers,
                ..
            } => {
                let destination = world.lives[*life].destination;
                // What follows a throttled record of its key in the same call goes out again with that one, whatever was
                // said of it.
                let mut throttled = HashSet::new();
                for (record, answer) in answers {
                    let key = world.records[*record].key();
                    let kind = match answer {
                        Answer::Failed(kind, _) | Answer::FailedTogether(kind, _) => Some(*kind),
                        _ => None,
                    };
                    if matches!(kind, Some(SinkErrorKind::Throttled { .. })) {
                        throttled.insert(key);
                    }
                    if throttled.contains(&key) {
                        *self.failures.entry((destination, *record)).or_insert(0) += 1;
                    } else {
                        self.note_answer(seen, (destination, *record), *session, *answer);
                    }
                }
                Ok(())
            }
            Happening::Sent { life, records, .. } => {
                let destination = world.lives[*life].destination;
                let check = |record: &usize| self.check_time(seen, (destination, *record));
                records.iter().try_for_each(check)
            }
            Happening::Committed {
                destination, commit, ..
            } => {
                for parked in &commit.parked {
                    self.check_parked(world, *destination, parked)?;
                }
                commit
                    .dead
                    .iter()
                    .try_for_each(|dead| self.check_dead(world, *destination, dead))
            }
            // What was not stored is forgotten when the destination starts again, and the record comes anew.
            Happening::CommitRefused { destination, .. } => {
                self.starting_again.insert(*destination);
                Ok(())
            }
            Happening::Restored { .. } => {
                self.starting_again.extend(0..world.destinations.len());
                Ok(())
            }
            Happening::Loaded { destination, .. } => {
                let is_set_back = self.starting_again.remove(destination);
                let maybe_unstored = &self.maybe_unstored;
                self.failed.retain(|place, _| {
                    place.0 != *destination || (!is_set_back && !maybe_unstored.contains(place))
                });
                Ok(())
            }
            Happening::End => check_end(world),
            _ => Ok(()),
        }
    }
}

impl EveryRetryEnds {
    fn note_answer(
        &mut self,
        seen: &Observation<'_>,
        place: (usize, usize),
        session: Session,
        answer: Answer,
    ) {
        let keys = self.failed_keys.entry(place.0).or_default();
        if matches!(
            answer,
            Answer::Failed(..) | Answer::FailedTogether(..) | Answer::Unknown(_)
        ) {
            keys.insert(seen.world.records[place.1].key());
        }
        let may_be_held = keys.len() >= KEYS_OF_A_HOLD;
        match answer {
            Answer::FailedTogether(SinkErrorKind::Timeout, _) => {
                *self.failures.entry(place).or_insert(0) += 1
            }
            Answer::Failed(SinkErrorKind::Throttled { .. }, _) | Answer::FailedTogether(..) => {}
            Answer::Failed(kind, cause) => {
                *self.failures.entry(place).or_insert(0) += 1;
                let collection = seen.world.destinations[place.0].plan.collection;
                let holder = seen.world.holder(collection);
                let holder = holder.filter(|holder| holder.session == session);
                // One that failed for an older one's sake waits for that one only.
                if let Some(holder) = holder.filter(|_| cause != Cause::OlderRecord) {
                    self.failed.insert(place, (seen.at, holder));
                    self.maybe_unstored.remove(&place);
                    if cause == Cause::Outage || (may_be_held && speaks_of_destination(kind)) {
                        self.maybe_unstored.insert(place);
                    }
                }
                if kind == SinkErrorKind::Undeliverable {
                    self.undeliverable.insert(place);
                }
            }
            Answer::Unknown(_) => *self.failures.entry(place).or_insert(0) += 1,
            Answer::Delivered | Answer::DeliveredOutOfTurn => {}
        }
    }

    fn check_time(&self, seen: &Observation<'_>, place: (usize, usize)) -> Result<(), Violation> {
        let Some((failed, under)) = self.failed.get(&place) else {
            return Ok(());
        };
        let plan = &seen.world.destinations[place.0].plan;
        let waited = seen.at.saturating_sub(*failed) + UNIT;
        let least = plan.retry.first_delay.mul_f64(1.0 - TOLERANCE);
        if seen.world.holder(plan.collection) == Some(*under) && waited < least {
            let message = format!("#{} is sent again {waited:?} after it failed", place.1);
            return Err(Violation::at(NAME, place.0, message));
        }
        Ok(())
    }

    fn counted(&self, place: (usize, usize)) -> u32 {
        self.failures.get(&place).copied().unwrap_or(0)
    }

    fn check_parked(
        &self,
        world: &World,
        destination: usize,
        parked: &ParkedRecord,
    ) -> Result<(), Violation> {
        let state = &world.destinations[destination];
        let known = state.shelf.progress.as_ref();
        let record = match &parked.record {
            Some(record) => names::number_of(record),
            None => match known.and_then(|progress| progress.waiting.get(&parked.id)) {
                Some(record) => *record,
                None => return Ok(()),
            },
        };
        let wrong = |message: String| Err(Violation::at(NAME, destination, message));
        let (attempts, counted) = (parked.attempts, self.counted((destination, record)));
        if attempts > counted || attempts > state.retries.1 {
            return wrong(format!(
                "#{record} waits after {attempts} attempts; it failed {counted} times, and has {} retries",
                state.retries.1
            ));
        }
        if let (Some(due), Some(last)) = (parked.due, parked.last_attempt) {
            let retry = &state.plan.retry;
            let doubled = retry
                .first_delay
                .saturating_mul(1 << (attempts.max(1) - 1).min(20));
            let delay = doubled.min(retry.max_delay);
            let waits = due.since(last);
            let least = delay.mul_f64(1.0 - TOLERANCE).saturating_sub(UNIT);
            if waits < least || waits > delay.mul_f64(1.0 + TOLERANCE) + UNIT {
                return wrong(format!(
                    "#{record} waits {waits:?} after attempt {attempts}, not about {delay:?}"
                ));
            }
        }
        Ok(())
    }

    fn check_dead(&self, world: &World, destination: usize, dead: &DeadLetter) -> Result<(), Violation> {
        let state = &world.destinations[destination];
        let record = names::number_of(&dead.record);
        let (attempts, counted) = (dead.attempts, self.counted((destination, record)));
        let (least, most) = state.retries;
        let is_exempt = self.undeliverable.contains(&(destination, record))
            || dead.record.size() > state.plan.limits.max_bytes;
        let key_is_poisoned = world
            .of_key(state.plan.collection, dead.record.key())
            .iter()
            .any(|other| *other < record && state.given_up.contains(other));
        let too_few = attempts <= least && !is_exempt && !key_is_poisoned;
        // One that is refused for its size never comes to the destination.
        let too_many = attempts > most + 1 || (attempts > counted && !is_exempt);
        if too_few || too_many {
            let message = format!(
                "#{record} is given up after {attempts} attempts; it failed {counted} times, and has {least} to {most} retries"
            );
            return Err(Violation::at(NAME, destination, message));
        }
        Ok(())
    }
}

/// Whether a failure is no attempt while the destination is held.
fn speaks_of_destination(kind: SinkErrorKind) -> bool {
    matches!(
        kind,
        SinkErrorKind::Unavailable | SinkErrorKind::Timeout | SinkErrorKind::Unauthorized
    )
}

fn check_end(world: &World) -> Result<(), Violation> {
    for life in world.lives.iter().filter(|life| !life.has_ended) {
        // What an earlier life left is dropped when this one is loaded, which nothing may have needed yet.
        let progress = world.destinations[life.destination].shelf.progress.as_ref();
        let progress = progress.filter(|progress| progress.life == life.start);
        let waiting = progress.and_then(|progress| progress.waiting.values().next());
        if let Some(record) = waiting {
            let message = format!("#{record} still waits long after all trouble ended");
            return Err(Violation::at(NAME, life.destination, message));
        }
    }
    Ok(())
}
