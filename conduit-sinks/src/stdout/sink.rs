//! The sink.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::{Delivery, RecordBatch, Sink, SinkError, SinkLimits};

use super::writer::Writer;
use crate::format::PayloadFormat;
use crate::lines;

/// How long a call may take.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Writes each record as a line of JSON to standard output.
///
/// Lines are whole and in the order of the calls, however many sinks there are and whatever else the process prints by way
/// of Rust's standard library. A call is acknowledged once its lines are written and flushed: what reads the other end of
/// a pipe may still lose them. A closed pipe, and every other failure, is `Unavailable`; a reader that stands still blocks
/// until the time-out. After a write that broke off in the middle of a line the next one begins with a line feed.
pub struct StdoutSink {
    writer: Writer,
    format: PayloadFormat,
    timeout: Duration,
}

impl StdoutSink {
    /// Makes a sink that writes to the process's standard output.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn new(format: PayloadFormat) -> io::Result<Self> {
        Ok(Self {
            writer: Writer::stdout()?,
            format,
            timeout: DEFAULT_TIMEOUT,
        })
    }

    /// Makes a sink that writes to `target` instead, on a thread of its own.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn to(target: impl Write + Send + 'static, format: PayloadFormat) -> io::Result<Self> {
        Ok(Self {
            writer: Writer::to(target)?,
            format,
            timeout: DEFAULT_TIMEOUT,
        })
    }

    /// Sets how long a call may take. Default 30 seconds.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

#[async_trait]
impl Sink for StdoutSink {
    fn limits(&self) -> SinkLimits {
        lines::limits(self.timeout)
    }

    /// `stdout`, of which a process has one.
    fn endpoint(&self) -> Option<String> {
        Some("stdout".to_owned())
    }

    async fn deliver(&self, batch: &RecordBatch) -> Result<Delivery, SinkError> {
        self.writer.write(batch.clone(), self.format).await?;
        Ok(Delivery::complete())
    }
}

impl fmt::Debug for StdoutSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StdoutSink")
            .field("format", &self.format)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
