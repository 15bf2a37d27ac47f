//! Logs on stderr.

use std::io::stderr;

use tracing_subscriber::EnvFilter;

use crate::environment::{Environment, LogFormat};

/// Begins to log.
///
/// # Errors
/// If the filter is wrong, as the line that follows `FATAL: `.
pub(crate) fn start(environment: &Environment) -> Result<(), String> {
    let filter = EnvFilter::try_new(&environment.log_filter)
        .map_err(|error| format!("RUST_LOG is no log filter: {error}"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr);
    let started = match environment.log_format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => {
            let is_terminal = std::io::IsTerminal::is_terminal(&stderr());
            builder.with_ansi(is_terminal).with_target(false).try_init()
        }
    };
    started.map_err(|error| format!("cannot log: {error}"))
}
