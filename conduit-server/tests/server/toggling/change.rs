//! What can be done to a collection.

use std::fmt;

use fastrand::Rng;

/// A change, or a few that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    /// The stream off, whatever is under way.
    Off,
    /// The same once everything that was written before has come.
    OffWhenSettled,
    /// The same, and on again at once.
    OffAndOn,
    On,
    Filter,
    EventTypes,
    /// Retries, time-out, batches.
    Options,
    Add,
    Remove,
    RemoveWhenSettled,
    RemoveAndAdd,
    Pause,
    Resume,
}

impl Change {
    /// Draws what can be done to a collection that is on, or off.
    pub(super) fn draw(is_on: bool, rng: &mut Rng) -> Self {
        const WHILE_ON: [Change; 18] = [
            Change::Off,
            Change::OffWhenSettled,
            Change::OffAndOn,
            Change::OffAndOn,
            Change::Filter,
            Change::Filter,
            Change::Filter,
            Change::EventTypes,
            Change::EventTypes,
            Change::Options,
            Change::Options,
            Change::Add,
            Change::Remove,
            Change::RemoveWhenSettled,
            Change::RemoveAndAdd,
            Change::Pause,
            Change::Pause,
            Change::Pause,
        ];
        const WHILE_OFF: [Change; 8] = [
            Change::On,
            Change::On,
            Change::On,
            Change::On,
            Change::On,
            Change::Filter,
            Change::Add,
            Change::Remove,
        ];
        let choice = if is_on { &WHILE_ON[..] } else { &WHILE_OFF[..] };
        choice[rng.usize(0..choice.len())]
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::OffWhenSettled => "off when settled",
            Self::OffAndOn => "off and on at once",
            Self::On => "on",
            Self::Filter => "filter",
            Self::EventTypes => "event types",
            Self::Options => "retries, time-out, batches",
            Self::Add => "destination added",
            Self::Remove => "destination removed",
            Self::RemoveWhenSettled => "destination removed when settled",
            Self::RemoveAndAdd => "destination removed and added",
            Self::Pause => "pause",
            Self::Resume => "resume",
        })
    }
}
