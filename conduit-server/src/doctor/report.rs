//! What an examination found.

use serde::{Deserialize, Serialize};

use super::check::Check;
use super::finding::Verdict;

/// All checks, in the order in which one depends on the other.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) checks: Vec<Check>,
}

impl Report {
    /// Counts the checks of a verdict.
    pub(crate) fn count(&self, verdict: Verdict) -> usize {
        self.checks
            .iter()
            .filter(|check| check.verdict == verdict)
            .count()
    }

    /// Whether anything does not work.
    pub(crate) fn has_failed(&self) -> bool {
        self.count(Verdict::Failed) > 0
    }
}
