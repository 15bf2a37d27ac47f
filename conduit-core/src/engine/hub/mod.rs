//! Hands the records of shared streams to subscriptions.
//!
//! A *group* serves all subscriptions of one image mode with at most two streams, its *runs*: the lead, which is farthest
//! ahead, and the chase, which reads for those that are behind. Whoever cannot take a batch in time is *detached*: it keeps
//! only its position, until a run that can go on from there takes it along.
//!
//! Everything a group does rests on two rules. Each member stands at a position, and is given what comes after it, whatever
//! run it is a member of: so a member may move to any run that stands at or before its position and covers its collection,
//! at any time. And a run's coverage is never changed: one that covers more replaces it.

mod group;
#[allow(clippy::module_inception)]
mod hub;
mod member;
mod plan;
mod queue;
mod run;

pub(crate) use hub::Hub;
pub(crate) use queue::{HubEvent, Intake};
