//! The REST API.

mod app;
mod auth;
mod availability;
mod body;
mod collections;
mod dead_letters;
mod deletions;
mod filters;
mod idle;
mod orders;
mod parameters;
mod path;
mod pauses;
mod probes;
mod problem;
mod rewinds;
mod service;
mod status;
mod steering;
mod writing;

pub(crate) use app::App;
pub(crate) use auth::Tokens;
pub(crate) use deletions::finish_deletions;
pub(crate) use idle::{Idle, IdleDestination};
pub(crate) use service::{Engine, Probes, api_routes, worker_routes};
pub(crate) use writing::Writing;
