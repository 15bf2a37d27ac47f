//! The command line for people and scripts: `conduit status` and the like.

use std::process::ExitCode;

fn main() -> ExitCode {
    conduit_server::command_line()
}
