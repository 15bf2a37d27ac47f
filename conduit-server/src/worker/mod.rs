//! The part of the server that feeds the engine: what to run, who else there is, what operators want, how far it came,
//! how long it may still go on.

mod errands;
mod marks;
mod outlook;
mod presence;
mod tails;
mod unusable;
#[allow(clippy::module_inception)]
mod worker;

pub(crate) use marks::Marks;
pub(crate) use unusable::Unusable;
pub(crate) use worker::Worker;
