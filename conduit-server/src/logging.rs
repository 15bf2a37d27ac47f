//! Logs on stderr.

use std::io::stderr;

use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

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
        LogFormat::Json => {
            let subscriber = builder.json().flatten_event(true).finish();
            subscriber.with(filter_fn(is_safe)).try_init()
        }
        LogFormat::Text => {
            let is_terminal = std::io::IsTerminal::is_terminal(&stderr());
            let subscriber = builder.with_ansi(is_terminal).with_target(false).finish();
            subscriber.with(filter_fn(is_safe)).try_init()
        }
    };
    started.map_err(|error| format!("cannot log: {error}"))
}

/// Whatever the filter says: below debug, libraries of others write whole requests, credentials included.
fn is_safe(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::DEBUG || metadata.target().starts_with("conduit")
}
