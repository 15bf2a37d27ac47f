//! The suite of sinks: a sink that keeps the contract passes it, and each clause finds a sink that breaks it.
#![allow(clippy::unwrap_used, reason = "all of this is a test")]

mod dropping;
mod faults;
mod flawed;
mod flaws;
mod recording;

use recording::Recording;

conduit_testkit::sink_suite!(Recording);
