//! What the tests of several stores need.

mod clock;

pub(crate) use clock::SetClock;
