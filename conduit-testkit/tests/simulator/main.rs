//! The engine in simulated worlds.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod regressions;
mod seeds;
