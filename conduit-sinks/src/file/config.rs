//! What a file destination is configured with.

use std::time::Duration;

use crate::format::PayloadFormat;
use crate::{ConfigFault, InvalidConfig};

/// From which size on a file is put aside, in bytes: 256 MiB.
pub const DEFAULT_ROTATE_BYTES: u64 = 256 * 1024 * 1024;
/// The least size that a file can be put aside at, in bytes.
pub const MIN_ROTATE_BYTES: u64 = 1024;
/// How long a call may take.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Most bytes of a path.
const MAX_PATH: usize = 1024;
/// Most bytes of one name in it: file systems have 255, less what the names of files that were put aside have more.
const MAX_NAME: usize = 240;

/// The settings of a file destination; [`FileSink::new`](super::FileSink::new) checks them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FileConfig {
    /// The file, relative to the directory that the host allows: names with `/` in between, no `.` or `..`. At most 1024
    /// bytes, a name at most 240.
    pub path: String,
    /// What each line is. Default: records as they are.
    pub format: PayloadFormat,
    /// A file that would grow beyond so many bytes is put aside first. Default 256 MiB, at least 1 KiB.
    pub rotate_bytes: u64,
    /// How long a call may take. Default 30 seconds.
    pub timeout: Duration,
}

impl FileConfig {
    /// Makes settings with the defaults for everything but the path.
    #[must_use]
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            format: PayloadFormat::default(),
            rotate_bytes: DEFAULT_ROTATE_BYTES,
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// Sets what each line is.
    #[must_use]
    pub fn with_format(mut self, format: PayloadFormat) -> Self {
        self.format = format;
        self
    }

    /// Sets the size from which on a file is put aside.
    #[must_use]
    pub fn with_rotate_bytes(mut self, bytes: u64) -> Self {
        self.rotate_bytes = bytes;
        self
    }

    /// Sets how long a call may take.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Checks every field. Looks at no file.
    ///
    /// # Errors
    /// With all faults at once, each naming its field: `path`, `rotate_bytes` or `timeout`.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let mut faults = Vec::new();
        if let Err(message) = check_path(&self.path) {
            faults.push(ConfigFault::new("path", message));
        }
        if self.rotate_bytes < MIN_ROTATE_BYTES {
            let message = format!("must be at least {MIN_ROTATE_BYTES}");
            faults.push(ConfigFault::new("rotate_bytes", message));
        }
        if self.timeout.is_zero() {
            faults.push(ConfigFault::new("timeout", "must be more than 0"));
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(InvalidConfig::new(faults))
        }
    }
}

fn check_path(path: &str) -> Result<(), String> {
    if path.is_empty() {
        return Err("cannot be empty".to_owned());
    }
    if path.len() > MAX_PATH {
        return Err(format!("can have at most {MAX_PATH} bytes"));
    }
    if path.contains(char::is_control) {
        return Err("cannot hold control characters".to_owned());
    }
    if path.starts_with('/') {
        return Err("must be relative: it is inside the directory for file destinations".to_owned());
    }
    for name in path.split('/') {
        match name {
            "" => return Err("cannot have an empty name between slashes or end with a slash".to_owned()),
            "." | ".." => return Err("cannot hold . or ..".to_owned()),
            name if name.len() > MAX_NAME => {
                return Err(format!("cannot hold a name of more than {MAX_NAME} bytes"));
            }
            _ => (),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_relative_and_leads_nowhere_else() {
        let long = "a".repeat(241);
        for bad in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../a",
            "a/../b",
            "a/..",
            "./a",
            "a/.",
            "a//b",
            "a/",
            "//a",
            "a\0b",
            "a\nb",
            &long,
            &"a/".repeat(600),
        ] {
            let refused = FileConfig::new(bad).validate().unwrap_err();
            assert_eq!(refused.faults()[0].field, "path", "{bad:?}");
        }
        for good in ["a", "a/b.ndjson", ".hidden", "..a", "a..", "ä ö/ü", "a\\..\\b"] {
            assert!(FileConfig::new(good).validate().is_ok(), "{good:?}");
        }
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let refused = FileConfig::new("/")
            .with_rotate_bytes(0)
            .with_timeout(Duration::ZERO)
            .validate()
            .unwrap_err();
        let fields: Vec<_> = refused.faults().iter().map(|fault| fault.field).collect();
        assert_eq!(fields, ["path", "rotate_bytes", "timeout"]);
    }
}
