//! The REST API.

mod app;
mod auth;
mod availability;
mod body;
mod collections;
mod dead_letters;
mod deletions;
mod idle;
mod parameters;
mod path;
mod probes;
mod problem;
mod service;
mod status;

pub(crate) use app::App;
pub(crate) use auth::Tokens;
pub(crate) use deletions::finish_deletions;
pub(crate) use idle::Idle;
pub(crate) use service::{Probes, api_routes, worker_routes};
