//! What a destination does with the calls that reach it.

use std::time::Duration;

use conduit_core::EventId;

/// What the destination under test is to do with calls from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Behaviour {
    /// Takes everything.
    Well,
    /// Refuses the record with this event id, and takes all others.
    Refuse(EventId),
    /// Cannot be reached, or fails whatever it is asked.
    Down,
    /// Neither takes a record nor answers.
    Hang,
    /// Gets everything, and may take it, but no answer comes: the connection breaks, say.
    LoseAnswers,
    /// Takes everything, but only after so long, which is well within the sink's time-out.
    Slow(Duration),
    /// Takes nothing and asks to wait so long, whole seconds.
    Throttle(Duration),
    /// Does not accept the sink's credentials.
    RefuseCredentials,
}
