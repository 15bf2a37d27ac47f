//! A record comes twice only where that cannot be helped.

use std::collections::{HashMap, HashSet};

use conduit_core::ClusterTime;

use super::super::happening::{Answer, Happening, Session};
use super::super::violation::Violation;
use super::super::world::{Holder, World};
use super::{Invariant, Observation};

const NAME: &str = "duplicates only where allowed";

/// What is committed as delivered or dead is never sent again. What was acknowledged and not yet committed is sent again
/// only under another lease, or after the store refused a commit or lost state. A stop that nothing hinders leaves nothing
/// uncommitted.
#[derive(Debug, Default)]
pub(in super::super) struct DuplicatesOnlyWhereAllowed {
    /// By destination and record: under which lease it was acknowledged.
    acknowledged: HashMap<(usize, usize), Holder>,
    /// The last lease of each run of a worker on each collection.
    leases: HashMap<(Session, usize), Holder>,
    /// Runs of workers that gave their last lease of a collection back, by themselves, while it was theirs.
    released: HashSet<(Session, usize)>,
    /// Destinations that the store set back, or refused a commit of: what is acknowledged before they start again cannot be
    /// committed.
    starting_again: HashSet<usize>,
    /// The life of each destination that was loaded last.
    loaded: HashMap<usize, ClusterTime>,
    /// By destination: the records that were settled in another life.
    come_again: HashSet<(usize, usize)>,
}

impl Invariant for DuplicatesOnlyWhereAllowed {
    fn check(&mut self, seen: &Observation<'_>) -> Result<(), Violation> {
        let world = seen.world;
        match seen.happening {
            Happening::Sent { life, records, .. } => self.check_sent(world, *life, records),
            Happening::Answered {
                session,
                life,
                answers,
                ..
            } => {
                // What a removed destination still had in hand is nobody's any more.
                if !world.lives[*life].has_ended {
                    self.note_answers(world, *session, *life, answers);
                }
                Ok(())
            }
            Happening::LeaseTaken {
                session, collection, ..
            } => {
                self.released.remove(&(*session, *collection));
                if let Some(holder) = world.holder(*collection) {
                    self.leases.insert((*session, *collection), holder);
                }
                Ok(())
            }
            Happening::LeaseReleased {
                session, collection, ..
            } => {
                self.released.insert((*session, *collection));
                Ok(())
            }
            Happening::CommitRefused { destination, .. } => {
                self.starting_again.insert(*destination);
                Ok(())
            }
            Happening::Loaded {
                destination, life, ..
            } => {
                self.note_life(world, *destination, *life);
                if self.starting_again.remove(destination) {
                    self.acknowledged.retain(|(of, _), _| of != destination);
                }
                Ok(())
            }
            Happening::LifeEnded(life) => {
                let destination = world.lives[*life].destination;
                self.acknowledged.retain(|(of, _), _| *of != destination);
                Ok(())
            }
            Happening::Restored { .. } => {
                self.starting_again.extend(0..world.destinations.len());
                Ok(())
            }
            Happening::Stopped {
                session,
                undisturbed: true,
            } => self.check_stop(world, *session),
            _ => Ok(()),
        }
    }
}

impl DuplicatesOnlyWhereAllowed {
    /// Notes which life of a destination is loaded. What was settled in another one is sent again in this one, whichever is
    /// the newer: a worker that was frozen may load the older.
    fn note_life(&mut self, world: &World, destination: usize, life: ClusterTime) {
        let before = self.loaded.insert(destination, life);
        if before.is_some_and(|before| before != life) {
            let state = &world.destinations[destination];
            let settled = state.taken.keys().chain(&state.shelf.dead);
            self.come_again
                .extend(settled.map(|record| (destination, *record)));
        }
    }

    fn note_answers(&mut self, world: &World, session: Session, life: usize, answers: &[(usize, Answer)]) {
        let destination = world.lives[life].destination;
        let collection = world.destinations[destination].plan.collection;
        for (record, answer) in answers {
            let lease = self.leases.get(&(session, collection));
            if let (Answer::Delivered, Some(lease)) = (answer, lease) {
                self.acknowledged.insert((destination, *record), *lease);
            }
        }
    }

    fn check_sent(&self, world: &World, life: usize, records: &[usize]) -> Result<(), Violation> {
        let destination = world.lives[life].destination;
        let state = &world.destinations[destination];
        let holder = world.holder(state.plan.collection);
        for record in records {
            if self.come_again.contains(&(destination, *record)) {
                continue;
            }
            let why = if state.shelf.delivered.contains(record) {
                "is committed as delivered"
            } else if state.shelf.dead.contains(record) {
                "is a dead letter"
            } else if holder.is_some()
                && !self.starting_again.contains(&destination)
                && self.acknowledged.get(&(destination, *record)).copied() == holder
            {
                "was acknowledged under this very lease"
            } else {
                continue;
            };
            let message = format!("#{record} {why}, and is sent again");
            return Err(Violation::at(NAME, destination, message));
        }
        Ok(())
    }

    fn check_stop(&self, world: &World, session: Session) -> Result<(), Violation> {
        for ((destination, record), lease) in &self.acknowledged {
            let state = &world.destinations[*destination];
            let place = (session, state.plan.collection);
            let is_last_lease = self.leases.get(&place) == Some(lease) && self.released.contains(&place);
            let is_configured = world
                .lives
                .iter()
                .any(|life| life.destination == *destination && !life.has_ended);
            // Or given up, by whoever went on without knowing.
            let is_committed = state.shelf.delivered.contains(record) || state.shelf.dead.contains(record);
            let can_commit = !self.starting_again.contains(destination);
            if can_commit && lease.session == session && is_last_lease && is_configured && !is_committed {
                let message =
                    format!("worker run {session} stopped without committing that #{record} is delivered");
                return Err(Violation::at(NAME, *destination, message));
            }
        }
        Ok(())
    }
}
