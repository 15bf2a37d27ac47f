//! A configuration that is refused, with every fault in it.

use std::error::Error;
use std::fmt;

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFault {
    /// The field, by its name in the configuration.
    pub field: &'static str,
    /// What is wrong with it; never its value.
    pub message: String,
}

impl ConfigFault {
    /// Makes a fault.
    pub(crate) fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self {
            field,
            message: message.into(),
        }
    }
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// A configuration that is refused. Holds every fault at once, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidConfig {
    faults: Vec<ConfigFault>,
}

impl InvalidConfig {
    /// Refuses for these faults.
    pub(crate) fn new(faults: Vec<ConfigFault>) -> Self {
        Self { faults }
    }

    /// Returns the faults, in the order of the fields.
    #[must_use]
    pub fn faults(&self) -> &[ConfigFault] {
        &self.faults
    }
}

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl Error for InvalidConfig {}
