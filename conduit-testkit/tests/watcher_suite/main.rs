//! The suite of watchers: one that keeps the contract passes it, and each clause finds one that breaks it.
#![allow(clippy::unwrap_used, reason = "all of this is a test")]

mod flawed;
mod flaws;
mod scripted;

use scripted::Scripted;

conduit_testkit::watcher_suite!(Scripted);
