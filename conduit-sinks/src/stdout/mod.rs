//! Records on standard output, one JSON object a line.
//!
//! ```
//! use conduit_sinks::format::PayloadFormat;
//! use conduit_sinks::stdout::StdoutSink;
//!
//! let sink = StdoutSink::new(PayloadFormat::Conduit)?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod line_output;
mod sink;
mod writer;

pub use sink::{DEFAULT_TIMEOUT, StdoutSink};
