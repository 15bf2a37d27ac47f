//! The sink.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::{Delivery, RecordBatch, Sink, SinkError, SinkLimits};
use tokio::sync::Mutex;
use tokio::task;

use super::FileConfig;
use super::directory::Directory;
use super::log_file::LogFile;
use crate::InvalidConfig;
use crate::format::PayloadFormat;
use crate::lines;

/// Appends each record as a line of JSON to a file.
///
/// **Durability.** A call is acknowledged once its lines are on the disk (`fdatasync`, one for all records of the call), and
/// so are the names of the file and its directories. What a crash leaves behind the last line feed was never acknowledged;
/// the next one to open the file cuts it off.
///
/// **Place.** The path is inside the directory that the host gives and goes through no symbolic link. Missing directories
/// are made (0750), as is the file (0640), each less the umask; the host's directory is not. What is there and is no regular file is
/// left alone.
///
/// **Size.** A file that would grow beyond [`FileConfig::rotate_bytes`] is renamed first: `changes.ndjson` becomes
/// `changes.ndjson.000001`, the next one `.000002`, so that they sort by age. Conduit never deletes one, and never opens one
/// again: an operator may move or delete it at any time, and rename the file itself, too.
///
/// **Sharing.** Several sinks and several processes may append to the same file: each call's lines stand together.
///
/// A full disk, a directory that is not there, and other failures are `Unavailable`; missing rights, and something else than
/// a file at the path, are `Unauthorized`.
pub struct FileSink {
    base: PathBuf,
    path: String,
    format: PayloadFormat,
    timeout: Duration,
    /// Locked for as long as a call's blocking part takes, even if the call itself is dropped: none overtakes another.
    file: Arc<Mutex<LogFile>>,
}

impl FileSink {
    /// Makes a sink that writes inside the directory `base`. Opens nothing yet.
    ///
    /// # Errors
    /// With every fault of the configuration.
    pub fn new(config: FileConfig, base: impl Into<PathBuf>) -> Result<Self, InvalidConfig> {
        config.validate()?;
        let base = base.into();
        let file = LogFile::new(base.clone(), config.path.clone(), config.rotate_bytes);
        Ok(Self {
            path: config.path,
            format: config.format,
            timeout: config.timeout,
            file: Arc::new(Mutex::new(file)),
            base,
        })
    }

    /// Looks whether the file could be written to, changing nothing. Directories that are missing are no fault where they
    /// could be made.
    ///
    /// # Errors
    /// As a delivery that failed as a whole.
    pub async fn check_place(&self) -> Result<(), SinkError> {
        let (base, path) = (self.base.clone(), self.path.clone());
        let looking = task::spawn_blocking(move || Directory::look(&base, &path));
        match looking.await {
            Ok(looked) => looked.map_err(|error| error.into_sink_error(&self.path)),
            Err(error) => {
                let message = format!("looking at {} was broken off", self.path);
                Err(SinkError::unavailable(message).with_source(error))
            }
        }
    }
}

#[async_trait]
impl Sink for FileSink {
    fn limits(&self) -> SinkLimits {
        lines::limits(self.timeout)
    }

    /// `file:` and the path.
    fn endpoint(&self) -> Option<String> {
        Some(format!("file:{}", self.path))
    }

    async fn deliver(&self, batch: &RecordBatch) -> Result<Delivery, SinkError> {
        let mut file = self.file.clone().lock_owned().await;
        let (batch, format) = (batch.clone(), self.format);
        let appending = task::spawn_blocking(move || {
            let lines = lines::encode(&batch, format);
            file.append(&lines, || batch.is_permitted())
        });
        match appending.await {
            Ok(Ok(())) => Ok(Delivery::complete()),
            Ok(Err(error)) => Err(error.into_sink_error(&self.path)),
            Err(error) => {
                let message = format!("writing to {} was broken off", self.path);
                Err(SinkError::unavailable(message).with_source(error))
            }
        }
    }
}

impl fmt::Debug for FileSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSink")
            .field("path", &self.path)
            .field("format", &self.format)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
