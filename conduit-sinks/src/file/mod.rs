//! Records in files, one JSON object a line.
//!
//! ```
//! use conduit_sinks::file::{FileConfig, FileSink};
//!
//! let sink = FileSink::new(FileConfig::new("orders/changes.ndjson"), "/var/lib/conduit/files")?;
//! # Ok::<(), conduit_sinks::InvalidConfig>(())
//! ```

mod config;
mod directory;
mod error;
mod log_file;
mod repair;
mod sink;

pub use config::{DEFAULT_ROTATE_BYTES, DEFAULT_TIMEOUT, FileConfig, MIN_ROTATE_BYTES};
pub use sink::FileSink;
