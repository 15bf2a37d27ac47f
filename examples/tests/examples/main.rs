//! Each example is started as a person starts it, and checked for what it prints and does.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod embedding;
mod program;
mod scripts;
mod server;
mod server_with_custom_sink;
