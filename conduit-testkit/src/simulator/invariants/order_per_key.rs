//! Records of a key are taken in the order of their changes.

use std::collections::{HashMap, HashSet};

use conduit_core::{RecordKey, SinkErrorKind};

use super::super::happening::{Answer, Happening, Session};
use super::super::violation::Violation;
use super::super::world::{Holder, World};
use super::{Invariant, Observation};

const NAME: &str = "order per key";

/// First deliveries come in order, and whoever begins again at an older record goes on in order from there, so that the
/// newest is the last one taken. Records of a key are never in two calls of a worker at once.
#[derive(Debug, Default)]
pub(in super::super) struct OrderPerKey {
    /// What was taken of each key last, and everything that was taken of it in its turn.
    keys: HashMap<(usize, RecordKey), Taken>,
    /// The call in hand that holds a key.
    calls: HashMap<(Session, usize, RecordKey), u64>,
    /// Records that came back from their last call in vain, and whether they were refused for good.
    failed: HashMap<(usize, usize), Finality>,
    /// Destinations that the store set back, and nobody loaded since: a worker that an older store still knows may send what
    /// it has in hand until its first commit is refused.
    set_back: HashSet<usize>,
    /// Those of them whose collection another worker had taken over, of which the store knows nothing any more: who held it
    /// before goes on, and what the other one sent again is followed by nothing.
    undone: HashSet<usize>,
    /// The lease of each collection that was taken last.
    newest: HashMap<usize, Holder>,
    /// Runs of workers that have ended.
    ended: HashSet<Session>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finality {
    ForNow,
    ForGood,
}

#[derive(Debug, Default)]
struct Taken {
    last: Option<usize>,
    in_turn: std::collections::BTreeSet<usize>,
}

impl Invariant for OrderPerKey {
    fn check(&mut self, seen: &Observation<'_>) -> Result<(), Violation> {
        let world = seen.world;
        match seen.happening {
            Happening::Sent {
                call,
                session,
                life,
                records,
                ..
            } => self.check_call(world, (*session, *life), *call, records),
            Happening::Answered {
                call,
                session,
                life,
                answers,
            } => {
                for (record, answer) in answers {
                    self.note_answer((*life, *record), *answer);
                }
                for (record, answer) in answers {
                    // One that lost its lease meanwhile was taken long before.
                    let collection = world.destinations[world.lives[*life].destination].plan.collection;
                    let is_holder = world
                        .holder(collection)
                        .is_some_and(|holder| holder.session == *session);
                    if *answer == Answer::DeliveredOutOfTurn && is_holder {
                        self.check_out_of_turn(world, *life, *record, answers)?;
                    }
                    let place = (*session, *life, world.records[*record].key());
                    if self.calls.get(&place) == Some(call) {
                        self.calls.remove(&place);
                    }
                }
                Ok(())
            }
            Happening::Applied {
                life,
                record,
                out_of_turn: false,
            } => self.check_taken(world, *life, *record),
            Happening::LeaseTaken { collection, .. } => {
                let holder = world.holder(*collection);
                self.newest.extend(holder.map(|holder| (*collection, holder)));
                Ok(())
            }
            Happening::Killed(session) | Happening::Stopped { session, .. } => {
                self.ended.insert(*session);
                Ok(())
            }
            Happening::Restored { .. } => {
                self.set_back(world);
                Ok(())
            }
            Happening::Loaded { destination, .. } => {
                self.set_back.remove(destination);
                self.undone.remove(destination);
                Ok(())
            }
            Happening::End => self.check_end(world),
            _ => Ok(()),
        }
    }
}

impl OrderPerKey {
    fn check_call(
        &mut self,
        world: &World,
        (session, life): (Session, usize),
        call: u64,
        records: &[usize],
    ) -> Result<(), Violation> {
        for record in records {
            let key = world.records[*record].key();
            let before = self.calls.insert((session, life, key), call);
            if let Some(before) = before.filter(|before| *before != call) {
                let message = format!("#{record} is sent by call {call} while call {before} holds its key");
                return Err(Violation::at(NAME, world.lives[life].destination, message));
            }
        }
        Ok(())
    }

    fn set_back(&mut self, world: &World) {
        self.set_back.extend(0..world.destinations.len());
        for (destination, state) in world.destinations.iter().enumerate() {
            let collection = state.plan.collection;
            let holder = world
                .holder(collection)
                .filter(|holder| !self.ended.contains(&holder.session));
            if holder.is_none_or(|holder| self.newest.get(&collection) == Some(&holder)) {
                continue;
            }
            self.undone.insert(destination);
            for ((life, _), taken) in &mut self.keys {
                if world.lives[*life].destination == destination {
                    taken.last = taken.in_turn.last().copied();
                }
            }
        }
        for collection in 0..world.collections() {
            let holder = world.holder(collection);
            self.newest.extend(holder.map(|holder| (collection, holder)));
        }
    }

    fn note_answer(&mut self, place: (usize, usize), answer: Answer) {
        match answer {
            Answer::Delivered | Answer::DeliveredOutOfTurn => self.failed.remove(&place),
            Answer::Failed(SinkErrorKind::Undeliverable, _) => self.failed.insert(place, Finality::ForGood),
            Answer::Failed(..) | Answer::FailedTogether(SinkErrorKind::Timeout, _) | Answer::Unknown(_) => {
                self.failed.insert(place, Finality::ForNow)
            }
            Answer::FailedTogether(..) => return,
        };
    }

    /// Whether a record was given up, though the engine did not come to say so yet: its failure was final, for it has no
    /// retries, or for one before it was given up.
    fn may_be_dead(&self, world: &World, life: usize, record: usize) -> bool {
        let destination = &world.destinations[world.lives[life].destination];
        match self.failed.get(&(life, record)) {
            None => false,
            Some(Finality::ForGood) => true,
            Some(Finality::ForNow) => {
                let key = world.records[record].key();
                let mut older = world.of_key(destination.plan.collection, key).iter();
                destination.retries.0 == 0
                    || older.any(|older| {
                        *older < record
                            && (destination.given_up.contains(older)
                                || self.failed.get(&(life, *older)) == Some(&Finality::ForGood))
                    })
            }
        }
    }

    /// What was taken after an older one failed in the same call counts if that one was given up at once.
    fn check_out_of_turn(
        &mut self,
        world: &World,
        life: usize,
        record: usize,
        answers: &[(usize, Answer)],
    ) -> Result<(), Violation> {
        let key = world.records[record].key();
        let waits = |(other, answer): &(usize, Answer)| {
            *other < record
                && world.records[*other].key() == key
                && matches!(answer, Answer::Failed(..) | Answer::FailedTogether(..))
                && !self.may_be_dead(world, life, *other)
        };
        if answers.iter().any(waits) {
            return Ok(());
        }
        self.check_taken(world, life, record)
    }

    fn check_taken(&mut self, world: &World, life: usize, record: usize) -> Result<(), Violation> {
        let key = world.records[record].key();
        let taken = self.keys.entry((life, key)).or_default();
        let last = taken.last.replace(record);
        let is_first = taken.in_turn.insert(record);
        let destination = world.lives[life].destination;
        if self.undone.contains(&destination) {
            taken.last = last.max(Some(record));
        }
        if self.set_back.contains(&destination) {
            return Ok(());
        }
        let skipped = open_records(world, life, key, |other| {
            let passed_over = last.is_some_and(|last| other > last);
            other < record && (passed_over || (is_first && !taken.in_turn.contains(&other)))
        });
        let skipped = skipped
            .iter()
            .find(|other| !self.may_be_dead(world, life, **other));
        match skipped {
            None => Ok(()),
            Some(skipped) => {
                let message = format!("#{record} is taken after {last:?}, before #{skipped} of the same key");
                Err(Violation::at(NAME, world.lives[life].destination, message))
            }
        }
    }

    fn check_end(&self, world: &World) -> Result<(), Violation> {
        for ((life, key), taken) in &self.keys {
            if world.lives[*life].has_ended {
                continue;
            }
            let newer = open_records(world, *life, *key, |other| Some(other) > taken.last);
            if let Some(newer) = newer.first() {
                let message = format!(
                    "the last one taken is {:?}, not #{newer} of the same key",
                    taken.last
                );
                return Err(Violation::at(NAME, world.lives[*life].destination, message));
            }
        }
        Ok(())
    }
}

/// The records of a key that a life has to be given, and of which `which` holds: not those that were given up, nor those
/// that an earlier life was given.
fn open_records(world: &World, life: usize, key: RecordKey, which: impl Fn(usize) -> bool) -> Vec<usize> {
    let this = &world.lives[life];
    let destination = &world.destinations[this.destination];
    let had_earlier_life = world.lives[..life]
        .iter()
        .any(|other| other.destination == this.destination);
    let of_key = world.of_key(destination.plan.collection, key).iter().copied();
    of_key
        .filter(|record| which(*record))
        .filter(|record| world.is_wanted(this.destination, this.start, *record))
        .filter(|record| !destination.given_up.contains(record))
        .filter(|record| !(had_earlier_life && destination.taken.contains_key(record)))
        .collect()
}
