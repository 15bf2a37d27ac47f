//! The command line for people.

use std::process::ExitCode;

fn main() -> ExitCode {
    eprintln!(
        "conduit: the command line is not in this version yet. Use the REST API with curl: see the README."
    );
    ExitCode::from(2)
}
