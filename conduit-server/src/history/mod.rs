//! How long MongoDB keeps what each position needs, and what to say when that gets short.

#[allow(clippy::module_inception)]
mod history;
mod warning;

pub(crate) use history::{History, left};
pub(crate) use warning::{has_recovered, is_short, warnings};
