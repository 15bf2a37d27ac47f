//! One check of a report.

use serde::{Deserialize, Serialize};

use super::finding::{Finding, Verdict};

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Check {
    /// What was looked at, such as `redis persistence` or `destination orders/http-3f9a`.
    pub(crate) name: String,
    /// `ok`, `warning`, `failed` or `skipped`.
    pub(crate) verdict: Verdict,
    /// What was found, or why nothing was looked at.
    pub(crate) found: String,
    /// What to do about it; `null` where nothing is to be done.
    pub(crate) cure: Option<String>,
}

impl Check {
    pub(crate) fn new(name: impl Into<String>, finding: Finding) -> Self {
        let Finding { verdict, found, cure } = finding;
        Self {
            name: name.into(),
            verdict,
            found,
            cure,
        }
    }
}
