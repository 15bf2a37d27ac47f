//! What a simulation went through.

use std::ops::AddAssign;
use std::time::Duration;

use super::happening::{Answer, Happening};

/// Counts of what happened in one simulation, or in several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many simulations.
    pub simulations: u64,
    /// How long they took, by their own clocks.
    pub virtual_time: Duration,
    /// Records that were written.
    pub written: u64,
    /// Calls of destinations.
    pub calls: u64,
    /// Records that destinations took, repeats included.
    pub taken: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Records whose answer never came.
    pub unanswered: u64,
    /// Commits that were applied.
    pub commits: u64,
    /// Commits that were refused.
    pub refused: u64,
    /// Records that began to wait.
    pub parked: u64,
    /// Dead letters.
    pub dead: u64,
    /// Leases that were taken.
    pub leases: u64,
    /// Workers that were killed.
    pub kills: u64,
    /// Workers that stopped by themselves.
    pub stops: u64,
    /// Workers that were frozen.
    pub freezes: u64,
    /// Stores that came back as they had been before.
    pub restores: u64,
}

impl Report {
    /// Counts what happened.
    pub(super) fn count(&mut self, happening: &Happening) {
        match happening {
            Happening::Written(records) => self.written += records.len() as u64,
            Happening::Sent { .. } => self.calls += 1,
            Happening::Applied { .. } => self.taken += 1,
            Happening::Answered { answers, .. } => {
                for (_, answer) in answers {
                    match answer {
                        Answer::Failed(..) | Answer::FailedTogether(..) => self.failed += 1,
                        Answer::Unknown(_) => self.unanswered += 1,
                        Answer::Delivered | Answer::DeliveredOutOfTurn => {}
                    }
                }
            }
            Happening::Committed { commit, .. } => {
                self.commits += 1;
                self.parked += commit
                    .parked
                    .iter()
                    .filter(|parked| parked.record.is_some())
                    .count() as u64;
                self.dead += commit.dead.len() as u64;
            }
            Happening::CommitRefused { .. } => self.refused += 1,
            Happening::LeaseTaken { .. } => self.leases += 1,
            Happening::Killed(_) => self.kills += 1,
            Happening::Stopped { .. } => self.stops += 1,
            Happening::Frozen(_) => self.freezes += 1,
            Happening::Restored { .. } => self.restores += 1,
            _ => {}
        }
    }
}

impl AddAssign for Report {
    fn add_assign(&mut self, other: Self) {
        self.simulations += other.simulations;
        self.virtual_time += other.virtual_time;
        self.written += other.written;
        self.calls += other.calls;
        self.taken += other.taken;
        self.failed += other.failed;
        self.unanswered += other.unanswered;
        self.commits += other.commits;
        self.refused += other.refused;
        self.parked += other.parked;
        self.dead += other.dead;
        self.leases += other.leases;
        self.kills += other.kills;
        self.stops += other.stops;
        self.freezes += other.freezes;
        self.restores += other.restores;
    }
}
