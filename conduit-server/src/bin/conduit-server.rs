//! The server: `conduit-server run`, `api`, `worker` or `dev`.

use std::process::ExitCode;

use clap::Parser;
use conduit_server::{Command, Host};
use mimalloc::MiMalloc;

/// Records are made by one thread and dropped by another, all the time, which the system's allocator does at a higher price.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Delivers the changes of MongoDB collections to HTTP endpoints, EventBridge, Meilisearch and files, at least once and in
/// order per document.
///
/// Configured by the environment: MONGODB_URI, MONGODB_DATABASE, REDIS_URI and others; see the README.
#[derive(Debug, Parser)]
#[command(name = "conduit-server", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

fn main() -> ExitCode {
    Host::new().serve(Arguments::parse().command.unwrap_or(Command::Run))
}
