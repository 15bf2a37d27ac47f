//! What the numbers of a simulation are called by the engine, and back.

use conduit_core::{CollectionName, DestinationId, EventId, Record};

/// The name of a collection.
#[allow(clippy::expect_used)]
pub(super) fn collection(number: usize) -> CollectionName {
    CollectionName::new(format!("c{number}")).expect("a letter and a number are a legal name")
}

/// The id of a destination.
#[allow(clippy::expect_used)]
pub(super) fn destination(number: usize) -> DestinationId {
    DestinationId::new(format!("d{number}")).expect("a letter and a number are a legal id")
}

/// The number of a collection.
pub(super) fn number_of_collection(name: &CollectionName) -> Option<usize> {
    name.as_str().strip_prefix('c')?.parse().ok()
}

/// The number of a destination.
pub(super) fn number_of_destination(id: &DestinationId) -> Option<usize> {
    id.as_str().strip_prefix('d')?.parse().ok()
}

/// The number of the record that an event id names.
pub(super) fn number_of_event(id: &EventId) -> usize {
    id.as_str().parse().unwrap_or(usize::MAX)
}

/// The number of a record.
pub(super) fn number_of(record: &Record) -> usize {
    number_of_event(record.event_id())
}
