//! The directory that a file lies in, reached without following a link.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Access, AtFlags, Dir, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::error::AppendError;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// Not blocking, since opening a pipe would wait for a reader.
const APPEND: OFlags = OFlags::RDWR
    .union(OFlags::APPEND)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// How often a file is looked for that comes and goes.
const TRIES: usize = 10;

/// An open directory within the base directory.
#[derive(Debug)]
pub(super) struct Directory(OwnedFd);

impl Directory {
    /// Opens the directory of `path` within `base`, making those that are missing, and returns it with the file's name.
    /// Each is opened within the one before it, and a link in place of one is an error: the way leads nowhere else,
    /// even if somebody exchanges a directory meanwhile. `base` itself is the host's and may be a link.
    ///
    /// All of them are durable when this returns, whoever made them.
    pub(super) fn open<'a>(base: &Path, path: &'a str) -> Result<(Self, &'a str), AppendError> {
        let mut directory = Self(rustix::fs::open(base, DIRECTORY, Mode::empty()).map_err(io::Error::from)?);
        let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
        for parent in parents.split('/').filter(|parent| !parent.is_empty()) {
            match rustix::fs::mkdirat(&directory.0, parent, Mode::from_raw_mode(0o750)) {
                Ok(()) | Err(Errno::EXIST) => (),
                Err(errno) => return Err(errno.into()),
            }
            directory.sync()?;
            let flags = DIRECTORY.union(OFlags::NOFOLLOW);
            directory = Self(rustix::fs::openat(&directory.0, parent, flags, Mode::empty())?);
        }
        Ok((directory, name))
    }

    /// Looks whether the file of `path` within `base` could be opened for appending, making nothing.
    pub(super) fn look(base: &Path, path: &str) -> Result<(), AppendError> {
        let mut directory = Self(rustix::fs::open(base, DIRECTORY, Mode::empty()).map_err(io::Error::from)?);
        let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
        for parent in parents.split('/').filter(|parent| !parent.is_empty()) {
            let flags = DIRECTORY.union(OFlags::NOFOLLOW);
            match rustix::fs::openat(&directory.0, parent, flags, Mode::empty()) {
                Ok(found) => directory = Self(found),
                // It is made in the last one that is there.
                Err(Errno::NOENT) => return directory.may_be_changed(),
                Err(errno) => return Err(errno.into()),
            }
        }
        match rustix::fs::statat(&directory.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => directory.may_be_changed(),
            Err(errno) => Err(errno.into()),
            Ok(found) if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile => {
                Err(AppendError::NotAFile)
            }
            Ok(_) => {
                let access = Access::READ_OK.union(Access::WRITE_OK);
                Ok(rustix::fs::accessat(
                    &directory.0,
                    name,
                    access,
                    AtFlags::EACCESS,
                )?)
            }
        }
    }

    fn may_be_changed(&self) -> Result<(), AppendError> {
        let access = Access::WRITE_OK.union(Access::EXEC_OK);
        Ok(rustix::fs::accessat(&self.0, ".", access, AtFlags::EACCESS)?)
    }

    /// Opens a file for appending, making it if it is missing, and makes its name durable.
    pub(super) fn open_file(&self, name: &str) -> Result<File, AppendError> {
        for _ in 0..TRIES {
            let found = rustix::fs::openat(&self.0, name, APPEND, Mode::empty());
            let opened = match found {
                Err(Errno::NOENT) => {
                    let flags = APPEND.union(OFlags::CREATE).union(OFlags::EXCL);
                    rustix::fs::openat(&self.0, name, flags, Mode::from_raw_mode(0o640))
                }
                found => found,
            };
            match opened {
                Ok(opened) => {
                    let file = File::from(opened);
                    if !file.metadata()?.is_file() {
                        return Err(AppendError::NotAFile);
                    }
                    self.sync()?;
                    return Ok(file);
                }
                // Somebody else made it just now.
                Err(Errno::EXIST) => (),
                Err(errno) => return Err(errno.into()),
            }
        }
        Err(AppendError::Busy)
    }

    /// Renames a file to its name with the next number behind it, and replaces nothing.
    pub(super) fn put_aside(&self, name: &str) -> Result<(), AppendError> {
        let mut number = self.last_number(name)?;
        for _ in 0..TRIES {
            number += 1;
            let aside = format!("{name}.{number:06}");
            match self.rename(name, &aside) {
                Ok(()) => return Ok(self.sync()?),
                Err(Errno::EXIST) => (),
                Err(errno) => return Err(errno.into()),
            }
        }
        Err(AppendError::Busy)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Errno> {
        match rustix::fs::renameat_with(&self.0, from, &self.0, to, RenameFlags::NOREPLACE) {
            // The file system cannot; then whether there is such a file is asked beforehand.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                match rustix::fs::statat(&self.0, to, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(_) => Err(Errno::EXIST),
                    Err(Errno::NOENT) => rustix::fs::renameat(&self.0, from, &self.0, to),
                    Err(errno) => Err(errno),
                }
            }
            result => result,
        }
    }

    /// The highest number of a file that was put aside.
    fn last_number(&self, name: &str) -> Result<u64, AppendError> {
        let mut last = 0;
        for entry in Dir::read_from(&self.0)? {
            let entry = entry?;
            let number = entry
                .file_name()
                .to_str()
                .ok()
                .and_then(|found| found.strip_prefix(name)?.strip_prefix('.')?.parse().ok());
            last = last.max(number.unwrap_or(0));
        }
        Ok(last)
    }

    fn sync(&self) -> io::Result<()> {
        match rustix::fs::fsync(&self.0) {
            // A file system whose directories cannot be synced keeps them by itself.
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}
