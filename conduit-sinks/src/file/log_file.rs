//! One file that lines are appended to.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use super::directory::Directory;
use super::error::AppendError;
use super::repair::end_with_a_line;

/// How often a call looks whether another writer is done or has put the file aside, about five seconds long.
const TRIES: usize = 5000;
/// How long until the next look.
const PAUSE: Duration = Duration::from_millis(1);

/// Appends lines to a file, so that they are all durable or none is acknowledged. Blocks.
///
/// Several may append to the same file, in this process and in others: the file is locked (`flock`) while one does, and
/// each looks under the lock whether the name still means the file that it has open.
#[derive(Debug)]
pub(super) struct LogFile {
    base: PathBuf,
    path: String,
    rotate_bytes: u64,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    directory: Directory,
    file: File,
    /// Up to where the file is known to be whole lines.
    length: u64,
}

impl LogFile {
    pub(super) fn new(base: PathBuf, path: String, rotate_bytes: u64) -> Self {
        Self {
            base,
            path,
            rotate_bytes,
            open: None,
        }
    }

    /// Appends `lines` if `is_permitted` says so right before, and returns when they are durable. On an error none of them
    /// is acknowledged, and what was written of them is taken back as far as possible.
    pub(super) fn append(
        &mut self,
        lines: &[u8],
        is_permitted: impl Fn() -> bool,
    ) -> Result<(), AppendError> {
        let mut tries = 0..TRIES;
        while tries.next().is_some() {
            // Taken out, so that after an error everything is opened anew, the directories too.
            let mut open = match self.open.take() {
                Some(open) => open,
                None => self.open()?,
            };
            let name = self.path.rsplit('/').next().unwrap_or(&self.path);
            lock(&open.file, &mut tries)?;
            if !self.is_at_path(&open.file)? {
                continue;
            }
            let length = open.file.metadata()?.len();
            if length != open.length {
                open.length = end_with_a_line(&open.file, length)?;
            }
            if open.length > 0 && open.length.saturating_add(lines.len() as u64) > self.rotate_bytes {
                open.directory.put_aside(name)?;
                continue;
            }
            if !is_permitted() {
                return Err(AppendError::NotPermitted);
            }
            write(&open.file, open.length, lines)?;
            open.length += lines.len() as u64;
            open.file.unlock()?;
            self.open = Some(open);
            return Ok(());
        }
        Err(AppendError::Busy)
    }

    /// Whether the path means this file: neither it nor a directory on the way was put somewhere else meanwhile. It may go
    /// through a link by now: the file is the same, so that it leads nowhere else.
    fn is_at_path(&self, file: &File) -> io::Result<bool> {
        let opened = file.metadata()?;
        match fs::metadata(self.base.join(&self.path)) {
            Ok(named) => Ok((named.dev(), named.ino()) == (opened.dev(), opened.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn open(&self) -> Result<Open, AppendError> {
        let (directory, name) = Directory::open(&self.base, &self.path)?;
        let file = directory.open_file(name)?;
        Ok(Open {
            directory,
            file,
            // Not known yet.
            length: 0,
        })
    }
}

/// Locks the file until it is unlocked or closed. Not for as long as it takes, since the one who has it may stand still.
fn lock(file: &File, tries: &mut Range<usize>) -> Result<(), AppendError> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if tries.next().is_some() => thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => return Err(AppendError::Busy),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
}

fn write(mut file: &File, length: u64, lines: &[u8]) -> Result<(), AppendError> {
    let result = file.write_all(lines).and_then(|()| file.sync_data());
    if result.is_err() {
        // A full disk leaves the beginning of the lines. Should this fail too, the next one to open the file mends its end.
        let _ = file.set_len(length);
    }
    Ok(result?)
}
