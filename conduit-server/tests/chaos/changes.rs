//! What was changed, so what has to arrive.

use std::collections::HashMap;

use tokio::time::Instant;

/// One change of one key.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// The record's type.
    pub(crate) kind: &'static str,
    /// What the new image holds, if there is one.
    pub(crate) value: Option<i64>,
    /// When the database had acknowledged it.
    pub(crate) written: Instant,
}

/// The changes of a collection, by key, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    pub(crate) of_key: HashMap<String, Vec<Change>>,
}

impl Changes {
    pub(crate) fn add(&mut self, key: String, kind: &'static str, value: Option<i64>) {
        let written = Instant::now();
        let change = Change { kind, value, written };
        self.of_key.entry(key).or_default().push(change);
    }

    /// Adds the changes of other keys.
    pub(crate) fn merge(&mut self, other: Self) {
        self.of_key.extend(other.of_key);
    }

    pub(crate) fn count(&self) -> usize {
        self.of_key.values().map(Vec::len).sum()
    }
}
