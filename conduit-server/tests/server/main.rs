//! The server as a process, on real MongoDB and Redis, from outside.

// The helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bus;
mod forms;
mod harness;
mod looker;
mod search_server;
mod search_writer;

mod chaos;
mod cli;
mod collections;
mod configuration;
mod dead_letters;
mod delivery;
mod destinations;
mod doctor;
mod dry_runs;
mod egress;
mod eventbridge;
mod filters;
mod holds;
mod line_destinations;
mod log_lines;
mod meilisearch;
mod meilisearch_fields;
mod openapi;
mod outages;
mod outlook;
mod pauses;
mod readme;
mod request_ids;
mod requests;
mod rewinds;
mod secret_references;
mod secrets_at_rest;
mod secrets_scan;
mod sharing;
mod sign_in;
mod start;
mod state;
mod tails;
mod test_deliveries;
mod toggling;
mod tried_filters;
mod versions;
