//! Why nothing was written.

use std::io;

use conduit_core::{SinkError, SinkErrorKind};
use rustix::io::Errno;

/// Why lines were not appended.
#[derive(Debug)]
pub(super) enum AppendError {
    /// The worker's right to send has ended.
    NotPermitted,
    /// What stands at the path is no file to append to.
    NotAFile,
    /// Somebody else writes all the time.
    Busy,
    /// The system says no.
    Io(io::Error),
}

impl AppendError {
    /// Makes the sink's error. What an operator has to mend is `Unauthorized`, everything else, a full disk say, is
    /// `Unavailable`: both speak of the destination, not of a record.
    pub(super) fn into_sink_error(self, path: &str) -> SinkError {
        match self {
            Self::NotPermitted => {
                SinkError::new(SinkErrorKind::NotSent, format!("nothing was written to {path}"))
            }
            Self::NotAFile => SinkError::new(
                SinkErrorKind::Unauthorized,
                format!("{path} is no regular file, or leads through a symbolic link: it is not written to"),
            ),
            Self::Busy => SinkError::unavailable(format!("{path} is locked by somebody else")),
            Self::Io(error) => {
                let kind = match Errno::from_io_error(&error) {
                    Some(Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::ISDIR) => {
                        SinkErrorKind::Unauthorized
                    }
                    _ => SinkErrorKind::Unavailable,
                };
                SinkError::new(kind, format!("cannot write to {path}")).with_source(error)
            }
        }
    }
}

impl From<io::Error> for AppendError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Errno> for AppendError {
    fn from(errno: Errno) -> Self {
        match errno {
            // What `NOFOLLOW` and `DIRECTORY` answer to a link and to a file in place of a directory, and what a pipe
            // answers that nobody reads.
            Errno::LOOP | Errno::NOTDIR | Errno::NXIO => Self::NotAFile,
            errno => Self::Io(errno.into()),
        }
    }
}
