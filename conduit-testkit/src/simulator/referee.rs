//! Checks everything that happens against every invariant, and remembers what led to it.

use std::collections::VecDeque;

use super::failure::Failure;
use super::happening::{Entry, Happening};
use super::invariants::{
    BoundedMemory, DuplicatesOnlyWhereAllowed, EveryRetryEnds, Invariant, NothingDeadDuringAHold,
    NothingLost, NothingSentWithoutTheLease, Observation, OrderPerKey, PositionsNeverBack,
};
use super::plan::Plan;
use super::report::Report;
use super::violation::Violation;
use super::world::World;

/// How much of what happened is kept, and how much of it is shown.
const KEPT: usize = 4_000;
const SHOWN: usize = 60;

/// The world as it is known, and all that must be true of it.
#[derive(Debug)]
pub(super) struct Referee {
    pub(super) world: World,
    pub(super) report: Report,
    seed: u64,
    invariants: Vec<Box<dyn Invariant>>,
    trace: VecDeque<Entry>,
}

impl Referee {
    pub(super) fn new(plan: &Plan) -> Self {
        let invariants: Vec<Box<dyn Invariant>> = vec![
            Box::new(NothingLost::default()),
            Box::new(OrderPerKey::default()),
            Box::new(PositionsNeverBack::default()),
            Box::new(DuplicatesOnlyWhereAllowed::default()),
            Box::new(EveryRetryEnds::default()),
            Box::new(NothingDeadDuringAHold::default()),
            Box::new(BoundedMemory),
            Box::new(NothingSentWithoutTheLease::default()),
        ];
        Self {
            world: World::new(plan),
            report: Report::default(),
            seed: plan.seed,
            invariants,
            trace: VecDeque::new(),
        }
    }

    /// Looks at what happened.
    pub(super) fn see(&mut self, entries: Vec<Entry>) -> Result<(), Failure> {
        for entry in entries {
            let is_new = self.world.apply(&entry.happening);
            if is_new {
                self.report.count(&entry.happening);
            }
            let seen = Observation {
                at: entry.at,
                happening: &entry.happening,
                world: &self.world,
            };
            let broken = self
                .invariants
                .iter_mut()
                .filter(|_| is_new)
                .find_map(|invariant| invariant.check(&seen).err());
            self.keep(entry);
            if let Some(violation) = broken {
                return Err(self.failure(&violation));
            }
        }
        Ok(())
    }

    fn keep(&mut self, entry: Entry) {
        if matches!(entry.happening, Happening::Status { .. } | Happening::Read { .. }) {
            return;
        }
        if self.trace.len() == KEPT {
            self.trace.pop_front();
        }
        self.trace.push_back(entry);
    }

    /// Returns what is kept of what happened, in lines.
    pub(super) fn lines(&self) -> Vec<String> {
        self.trace.iter().map(ToString::to_string).collect()
    }

    /// What to tell of a broken promise.
    pub(super) fn failure(&self, violation: &Violation) -> Failure {
        let is_shown = |entry: &&Entry| match (violation.destination, self.place(&entry.happening)) {
            (Some(wanted), Some(place)) => wanted == place,
            _ => true,
        };
        let mut trace: Vec<String> = self
            .trace
            .iter()
            .rev()
            .filter(is_shown)
            .take(SHOWN)
            .map(ToString::to_string)
            .collect();
        trace.reverse();
        Failure {
            seed: self.seed,
            what: violation.to_string(),
            trace,
        }
    }

    /// Which destination something is about, if it is about one.
    fn place(&self, happening: &Happening) -> Option<usize> {
        match happening {
            Happening::Sent { life, .. }
            | Happening::Applied { life, .. }
            | Happening::Answered { life, .. } => self.world.lives.get(*life).map(|life| life.destination),
            Happening::Settled { destination, .. }
            | Happening::Loaded { destination, .. }
            | Happening::Committed { destination, .. }
            | Happening::CommitRefused { destination, .. }
            | Happening::Forgotten(destination) => Some(*destination),
            _ => None,
        }
    }
}
