//! The REST API.

mod actor;
mod app;
mod auth;
mod availability;
mod body;
mod body_limit;
mod collections;
mod dead_letters;
mod deletions;
mod filters;
mod idle;
mod openapi;
mod orders;
mod origin;
mod pages;
mod panics;
mod parameters;
mod path;
mod pauses;
mod precondition;
mod privacy;
mod probes;
mod problem;
mod request_id;
mod rewinds;
mod service;
mod session;
mod status;
mod steering;
mod writing;

pub(crate) use app::App;
pub(crate) use auth::Tokens;
pub(crate) use deletions::finish_deletions;
pub(crate) use idle::{Idle, IdleDestination};
pub(crate) use service::{Engine, Probes, api_routes, worker_routes};
pub(crate) use writing::Writing;
