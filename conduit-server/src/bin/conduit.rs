//! The command line for people.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use conduit_server::DoctorArguments;

/// Watches and steers a Conduit server.
#[derive(Debug, Parser)]
#[command(name = "conduit", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Checks what Conduit depends on, and says what to do about it
    Doctor(DoctorArguments),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Doctor(arguments) => conduit_server::doctor(&arguments),
    }
}
