//! A simulation that broke a promise.

use std::fmt;

/// Which seed broke which promise, and what led to it.
///
/// Its text has the seed, what is wrong, the last things that happened, and the command that repeats it.
#[derive(Clone, Debug)]
pub struct Failure {
    pub(super) seed: u64,
    pub(super) what: String,
    pub(super) trace: Vec<String>,
}

impl Failure {
    /// Returns the seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns what is wrong, in one line that begins with the name of the promise.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} broke a promise", self.seed)?;
        writeln!(f, "  {}", self.what)?;
        writeln!(f, "the last that happened there:")?;
        for line in &self.trace {
            writeln!(f, "  {line}")?;
        }
        write!(
            f,
            "again: CONDUIT_SEED={} cargo nextest run -p conduit-testkit --all-features \
             the_seed_in_the_environment",
            self.seed
        )
    }
}

impl std::error::Error for Failure {}
