//! What an examination of one thing found.

use serde::{Deserialize, Serialize};

/// How well something is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is as it should be.
    Ok,
    /// It works, and will cost something some day.
    Warning,
    /// It does not work, or loses what must not be lost.
    Failed,
    /// It was not examined.
    Skipped,
}

/// What was found, and what to do about it. Neither text holds a secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// How well it is.
    pub verdict: Verdict,
    /// What was found: one line, lower-case, without a period.
    pub found: String,
    /// What to do about it: one or two sentences, with the exact command or setting. Warnings and failures have one.
    pub cure: Option<String>,
}

impl Finding {
    /// It is as it should be.
    #[must_use]
    pub fn ok(found: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Ok,
            found: found.into(),
            cure: None,
        }
    }

    /// It works, and will cost something some day.
    #[must_use]
    pub fn warning(found: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Warning,
            found: found.into(),
            cure: Some(cure.into()),
        }
    }

    /// It does not work.
    #[must_use]
    pub fn failed(found: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Failed,
            found: found.into(),
            cure: Some(cure.into()),
        }
    }

    /// It was not examined, and why.
    #[must_use]
    pub fn skipped(why: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Skipped,
            found: why.into(),
            cure: None,
        }
    }
}
