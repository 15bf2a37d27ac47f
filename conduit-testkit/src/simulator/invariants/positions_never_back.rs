//! Positions, commit numbers and epochs only grow.

use std::collections::HashMap;

use conduit_core::{Commit, Position};

use super::super::happening::Happening;
use super::super::violation::Violation;
use super::super::world::World;
use super::{Invariant, Observation};

const NAME: &str = "positions never go back";

/// Each applied commit goes on from the one before; only a restored store, or a new life, begins elsewhere.
#[derive(Debug, Default)]
pub(in super::super) struct PositionsNeverBack {
    stood: HashMap<usize, Stand>,
    epochs: HashMap<usize, u64>,
}

#[derive(Debug)]
struct Stand {
    position: Position,
    number: u64,
    epoch: u64,
}

impl Invariant for PositionsNeverBack {
    fn check(&mut self, seen: &Observation<'_>) -> Result<(), Violation> {
        match seen.happening {
            Happening::Committed {
                destination, commit, ..
            } => {
                if let Some(stood) = self.stood.get(destination) {
                    check_commit(*destination, stood, commit)?;
                }
                self.look(*destination, seen.world);
            }
            Happening::Loaded { destination, .. } | Happening::Forgotten(destination) => {
                self.look(*destination, seen.world);
            }
            Happening::Restored { .. } => {
                self.epochs.clear();
                for destination in 0..seen.world.destinations.len() {
                    self.look(destination, seen.world);
                }
            }
            Happening::LeaseTaken {
                collection, epoch, ..
            } => {
                let before = self.epochs.insert(*collection, *epoch);
                if before.is_some_and(|before| before >= *epoch) {
                    return Err(Violation {
                        invariant: NAME,
                        message: format!("the epoch {epoch} of c{collection} follows {before:?}"),
                        destination: None,
                    });
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl PositionsNeverBack {
    fn look(&mut self, destination: usize, world: &World) {
        match &world.destinations[destination].shelf.progress {
            Some(progress) => {
                let stand = Stand {
                    position: progress.position.clone(),
                    number: progress.last_commit,
                    epoch: progress.epoch,
                };
                self.stood.insert(destination, stand);
            }
            None => {
                self.stood.remove(&destination);
            }
        }
    }
}

fn check_commit(destination: usize, stood: &Stand, commit: &Commit) -> Result<(), Violation> {
    let wrong = |message: String| Err(Violation::at(NAME, destination, message));
    if commit.number != stood.number + 1 {
        return wrong(format!("commit {} follows {}", commit.number, stood.number));
    }
    if commit.lease.epoch < stood.epoch {
        let epoch = commit.lease.epoch;
        return wrong(format!(
            "a commit of epoch {epoch} follows one of {}",
            stood.epoch
        ));
    }
    match &commit.advance {
        Some(advance) if advance.from != stood.position => {
            let (from, position) = (&advance.from, &stood.position);
            wrong(format!("a commit from {from:?} is applied at {position:?}"))
        }
        Some(advance) if advance.to <= advance.from => {
            wrong(format!("moved from {:?} to {:?}", advance.from, advance.to))
        }
        _ => Ok(()),
    }
}
