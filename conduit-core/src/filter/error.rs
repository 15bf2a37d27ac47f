//! What is wrong with a pattern.

use std::fmt;

/// One thing that is wrong with a pattern: where, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternFault {
    path: String,
    message: String,
}

impl PatternFault {
    pub(super) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }

    /// Returns the place in the pattern, as in `new_image.total[0].numeric`; empty for the pattern as a whole.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns what is wrong there, with the cure, in one line.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for PatternFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

/// A text is not a pattern. Names every fault that was found, at least one and at most 20.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError {
    faults: Vec<PatternFault>,
}

impl PatternError {
    /// How many faults are told of one pattern.
    pub(super) const MAX_FAULTS: usize = 20;

    pub(super) fn new(faults: Vec<PatternFault>) -> Self {
        Self { faults }
    }

    pub(super) fn one(fault: PatternFault) -> Self {
        Self::new(vec![fault])
    }

    /// Returns the faults in the order of the text.
    #[must_use]
    pub fn faults(&self) -> &[PatternFault] {
        &self.faults
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PatternError {}
