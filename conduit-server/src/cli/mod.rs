//! The command line `conduit`, for people and scripts, over the REST API.
//!
//! [`command_line`] parses and dispatches, [`client`] speaks HTTP, [`console`] decides what is printed where; each command
//! has a file of its own.

mod apply;
mod client;
mod collections;
mod command_line;
mod console;
mod dead_letters;
mod doctor;
mod document;
mod error;
mod event_stream;
mod export;
mod filter;
mod http;
mod status;
mod steering;
mod table;
mod tail;
mod token;
mod trial;
mod yaml;

pub use command_line::command_line;
