//! Examines a setup and says what to mend: `conduit doctor` and `GET /api/doctor`. Nothing is ever changed.

mod check;
mod collections;
mod destinations;
mod environment;
mod examination;
mod finding;
mod history;
mod mongodb;
mod patience;
mod redis;
mod report;
mod streams;
mod subject;
mod text;

pub use finding::{Finding, Verdict};

pub(crate) use check::Check;
pub(crate) use examination::examine;
pub(crate) use report::Report;
pub(crate) use subject::{Live, Subject};
pub(crate) use text::{Colours, write_text};
