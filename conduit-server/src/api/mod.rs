//! The REST API.

mod app;
mod auth;
mod body;
mod collections;
mod dead_letters;
mod probes;
mod problem;
mod service;
mod status;

pub(crate) use app::App;
pub(crate) use auth::Tokens;
pub(crate) use collections::finish_deletion;
pub(crate) use service::{Probes, api_routes, worker_routes};
