//! A change is after the stored position, waiting, a dead letter, or taken: at any moment.

use std::collections::HashMap;

use conduit_core::Commit;

use super::super::happening::Happening;
use super::super::violation::Violation;
use super::super::world::World;
use super::{Invariant, Observation};

const NAME: &str = "nothing lost";

/// No commit may let go of a record of which nothing became, and in the end something became of every one.
#[derive(Debug, Default)]
pub(in super::super) struct NothingLost {
    /// How many of its collection's records each destination's position has passed.
    passed: HashMap<usize, usize>,
}

impl Invariant for NothingLost {
    fn check(&mut self, seen: &Observation<'_>) -> Result<(), Violation> {
        match seen.happening {
            Happening::Committed {
                destination, commit, ..
            } => {
                self.check_position(*destination, seen.world)?;
                check_commit(*destination, commit, seen.world)
            }
            Happening::Loaded { destination, .. } | Happening::Forgotten(destination) => {
                self.passed.remove(destination);
                Ok(())
            }
            Happening::Restored { .. } => {
                self.passed.clear();
                Ok(())
            }
            Happening::End => check_end(seen.world),
            _ => Ok(()),
        }
    }
}

impl NothingLost {
    fn check_position(&mut self, destination: usize, world: &World) -> Result<(), Violation> {
        let state = &world.destinations[destination];
        let Some(progress) = &state.shelf.progress else {
            return Ok(());
        };
        let passed = self.passed.entry(destination).or_insert(0);
        for record in &world.of_collection(state.plan.collection)[*passed..] {
            let contents = &world.records[*record];
            if !progress.position.covers(contents.time(), contents.sequence()) {
                break;
            }
            *passed += 1;
            if world.is_wanted(destination, progress.life, *record)
                && !world.is_accounted_for(destination, *record)
            {
                let message = format!("the position {:?} has passed #{record}", progress.position);
                return Err(lost(destination, message));
            }
        }
        Ok(())
    }
}

fn check_commit(destination: usize, commit: &Commit, world: &World) -> Result<(), Violation> {
    let ahead = commit
        .settled_ahead
        .iter()
        .filter_map(|sequence| world.at_sequence(sequence))
        .map(|record| (record, "is in the gap list"));
    let left = world.destinations[destination]
        .left
        .iter()
        .map(|record| (*record, "left the retry queue"));
    for (record, what) in ahead.chain(left) {
        if !world.is_accounted_for(destination, record) {
            return Err(lost(destination, format!("#{record} {what}")));
        }
    }
    let taken = &world.destinations[destination].taken;
    for id in &commit.processed {
        let record = super::super::names::number_of_event(&id.event_id);
        if !taken.contains_key(&record) {
            return Err(lost(destination, format!("#{record} is committed as delivered")));
        }
    }
    Ok(())
}

fn check_end(world: &World) -> Result<(), Violation> {
    for life in world.lives.iter().filter(|life| !life.has_ended) {
        if let Some(record) = world.first_open(life) {
            let message = format!("the position has not come to #{record} long after all trouble ended");
            return Err(Violation::at(NAME, life.destination, message));
        }
        let destination = &world.destinations[life.destination];
        let is_done = |record: usize| {
            destination.taken.contains_key(&record) || destination.shelf.dead.contains(&record)
        };
        for record in world.of_collection(destination.plan.collection) {
            if world.is_wanted(life.destination, life.start, *record) && !is_done(*record) {
                let message = format!("#{record} is undelivered long after all trouble ended");
                return Err(Violation::at(NAME, life.destination, message));
            }
        }
    }
    Ok(())
}

fn lost(destination: usize, message: String) -> Violation {
    let message = format!("{message}, and it was not taken, does not wait and is no dead letter");
    Violation::at(NAME, destination, message)
}
