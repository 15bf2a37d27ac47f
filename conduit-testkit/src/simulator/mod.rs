//! The simulator: the real engine under paused time and a seed, with parts that fail, and everything that must be true
//! checked after every step.
//!
//! A seed makes up a world: collections, destinations and their limits, what is written when, and what goes wrong: answers
//! that are refusals, or lost, or never come; destinations that fail as a whole; a store that cannot be reached, or comes
//! back as it was before; streams that break; workers that are killed, stopped, frozen and thawed, that compete for
//! leases; configurations that change. Then all trouble ends, and everything has to come to rest.
//!
//! [`Simulation::run`] runs a seed and says what went on, or which promise was broken, with what led to it and the command
//! that repeats it. A part that is shared by workers (source, store, destinations) has a server side and, for each run of a
//! worker, a link of its own that can fail by itself.

mod clock;
mod configuration;
mod endpoint;
mod event;
mod failure;
mod happening;
mod invariants;
mod journal;
mod names;
mod plan;
mod referee;
mod report;
mod schedule;
mod simulation;
mod sink;
mod source;
mod store;
mod violation;
mod worker;
mod world;

pub use failure::Failure;
pub use report::Report;
pub use simulation::Simulation;
