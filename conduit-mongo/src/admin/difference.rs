//! Where a collection is not as it is wanted.

use bson::Document;
use conduit_core::CollectionName;

use super::error::AdminField;
use super::step::Step;

/// One change that would make a collection be as it is wanted.
#[derive(Clone, PartialEq, Debug)]
pub struct Difference {
    /// What it is about: the key's index, the expiry's index, or images.
    pub field: AdminField,
    /// What is to be done, such as `turn on stored images of orders`.
    pub what: String,
    /// The database command that does it.
    pub command: Document,
}

impl Difference {
    pub(super) fn of(step: &Step, name: &CollectionName) -> Self {
        Self {
            field: step.field(),
            what: step.describe(name),
            command: step.command(name),
        }
    }
}
