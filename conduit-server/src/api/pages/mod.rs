//! What people look at in a browser.

mod asset;
mod dashboard;
mod docs;
mod page;
mod sign_in;

pub(super) use dashboard::routes as dashboard_routes;
pub(crate) use docs::{docs, docs_style};
pub(crate) use sign_in::{ask_to_sign_in, sign_in, sign_out};
