//! What was found: a table for people, JSON for programs.

mod bar;
mod report;
mod row;

pub(crate) use bar::Bar;
pub(crate) use report::Report;
pub(crate) use row::Row;
