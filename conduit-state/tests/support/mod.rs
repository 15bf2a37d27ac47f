//! What the tests of several stores need.

mod clock;
mod day;
mod request;

pub(crate) use clock::SetClock;
pub(crate) use day::processed_ids_are_forgotten_a_day_after_they_were_last_written;
pub(crate) use request::request_of;
