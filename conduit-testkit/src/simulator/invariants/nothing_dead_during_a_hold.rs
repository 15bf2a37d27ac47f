//! A destination that fails as a whole costs no record its life.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use conduit_core::{DeadLetter, RecordKey, SinkErrorKind};

use super::super::happening::{Answer, Cause, Happening};
use super::super::names;
use super::super::plan::ENGINE_HOLDS;
use super::super::violation::Violation;
use super::super::world::World;
use super::{Invariant, Observation};

const NAME: &str = "nothing dead during a hold";
/// With so many different keys failing, it is the destination.
const EVIDENT: usize = 40;
/// A destination with so many retries outlasts every outage of a plan that knows no hold.
const MANY_RETRIES: u32 = 5;

/// A record that failed for its destination's sake only is not given up: without a hold because its retries outlast the
/// outage; with one because, once it is evident, no attempts are counted.
#[derive(Debug, Default)]
pub(in super::super) struct NothingDeadDuringAHold {
    /// By destination and record: how often it failed in an outage, and otherwise.
    failures: HashMap<(usize, usize), (u32, u32)>,
    failing_keys: HashMap<usize, HashSet<RecordKey>>,
    evident: HashMap<usize, Duration>,
}

impl Invariant for NothingDeadDuringAHold {
    fn check(&mut self, seen: &Observation<'_>) -> Result<(), Violation> {
        match seen.happening {
            Happening::Answered { life, answers, .. } => {
                let destination = seen.world.lives[*life].destination;
                for (record, answer) in answers {
                    self.note(seen, destination, *record, *answer);
                }
                Ok(())
            }
            Happening::Committed {
                destination, commit, ..
            } => commit
                .dead
                .iter()
                .try_for_each(|dead| self.check_dead(seen.world, *destination, dead)),
            _ => Ok(()),
        }
    }
}

impl NothingDeadDuringAHold {
    fn note(&mut self, seen: &Observation<'_>, destination: usize, record: usize, answer: Answer) {
        let cause = match answer {
            Answer::Failed(_, cause)
            | Answer::FailedTogether(SinkErrorKind::Timeout, cause)
            | Answer::Unknown(cause) => cause,
            // Of a call that fails as a whole the engine looks at one record only.
            Answer::Delivered | Answer::DeliveredOutOfTurn | Answer::FailedTogether(..) => return,
        };
        let failures = self.failures.entry((destination, record)).or_default();
        if cause != Cause::Outage {
            failures.1 += 1;
            return;
        }
        failures.0 += 1;
        let keys = self.failing_keys.entry(destination).or_default();
        keys.insert(seen.world.records[record].key());
        if keys.len() >= EVIDENT {
            self.evident.entry(destination).or_insert(seen.at);
        }
    }

    fn check_dead(&self, world: &World, destination: usize, dead: &DeadLetter) -> Result<(), Violation> {
        let record = names::number_of(&dead.record);
        let state = &world.destinations[destination];
        let (in_outage, otherwise) = self
            .failures
            .get(&(destination, record))
            .copied()
            .unwrap_or_default();
        let key_is_poisoned = world
            .of_key(state.plan.collection, dead.record.key())
            .iter()
            .any(|other| *other < record && state.given_up.contains(other));
        if in_outage == 0 || otherwise > 0 || key_is_poisoned {
            return Ok(());
        }
        let full_schedule = state.retries.0 >= MANY_RETRIES
            && state.plan.retry.first_delay >= Duration::from_secs(1)
            && state.plan.retry.max_delay >= Duration::from_secs(16);
        let is_wrong = if ENGINE_HOLDS {
            state.retries.0 > 0 && self.evident.contains_key(&destination)
        } else {
            full_schedule
        };
        if is_wrong {
            let message = format!("#{record} is given up because its destination failed as a whole");
            return Err(Violation::at(NAME, destination, message));
        }
        Ok(())
    }
}
