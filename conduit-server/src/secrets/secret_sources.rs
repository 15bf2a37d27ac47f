//! Reads the secrets that references name.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::SecretReference;

/// What the names of variables begin with that destinations may refer to.
pub(crate) const VARIABLE_PREFIX: &str = "CONDUIT_DEST_";
/// Most bytes of a secret in a file.
const MAX_BYTES: u64 = 64 * 1024;

/// What references are read from in this process: its variables of the prefix, and its folder of secrets if it has one.
#[derive(Clone, Default)]
pub(crate) struct SecretSources {
    variables: Arc<HashMap<String, String>>,
    folder: Option<Arc<Path>>,
}

impl SecretSources {
    /// Takes those of the variables that begin with the prefix. An empty value is the same as none.
    pub(crate) fn new(variables: &HashMap<String, String>, folder: Option<PathBuf>) -> Self {
        let own = variables
            .iter()
            .filter(|(name, value)| name.starts_with(VARIABLE_PREFIX) && !value.is_empty());
        Self {
            variables: Arc::new(own.map(|(name, value)| (name.clone(), value.clone())).collect()),
            folder: folder.map(Arc::from),
        }
    }

    /// Returns the secret that a reference names. A file is read anew each time: it is small and on this machine.
    ///
    /// # Errors
    /// Why there is none, naming the variable or file.
    pub(crate) fn read(&self, reference: &SecretReference) -> Result<String, String> {
        match reference {
            SecretReference::Variable(name) => {
                let value = self.variables.get(name).cloned();
                value.ok_or_else(|| format!("the environment variable {name} is not set"))
            }
            SecretReference::File(name) => match &self.folder {
                None => Err(format!(
                    "the file {name:?} cannot be read: CONDUIT_SECRETS_DIR is not set"
                )),
                Some(folder) => read_file(folder, name)
                    .map_err(|reason| format!("the file {name:?} in CONDUIT_SECRETS_DIR {reason}")),
            },
        }
    }
}

/// Shows names, no values.
impl fmt::Debug for SecretSources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretSources")
            .field("variables", &self.variables.keys())
            .field("folder", &self.folder)
            .finish()
    }
}

/// Reads a file of the folder. Links are followed while they stay in it, as those do that orchestrators make.
fn read_file(folder: &Path, name: &str) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {}", error.kind());
    let folder = folder.canonicalize().map_err(unreadable)?;
    let path = folder.join(name).canonicalize().map_err(unreadable)?;
    if !path.starts_with(&folder) {
        return Err("is a link that leaves the folder".to_owned());
    }
    // Asked before it is opened: to open a pipe would wait for whoever writes to it.
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err("is no file".to_owned());
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("has more than {MAX_BYTES} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|_| "is not text in UTF-8".to_owned())?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    fn in_folder(folder: &Path) -> impl Fn(&str) -> Result<String, String> {
        let sources = SecretSources::new(&HashMap::new(), Some(folder.to_owned()));
        move |name| sources.read(&SecretReference::File(name.to_owned()))
    }

    #[test]
    fn variables_of_the_prefix_are_read_and_no_others() {
        let all = [
            ("CONDUIT_DEST_A", "hunter2"),
            ("CONDUIT_DEST_EMPTY", ""),
            ("MONGODB_URI", "hunter3"),
        ];
        let all = all.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let sources = SecretSources::new(&HashMap::from(all), None);
        let read = |name: &str| sources.read(&SecretReference::Variable(name.to_owned()));
        assert_eq!(read("CONDUIT_DEST_A").as_deref(), Ok("hunter2"));
        for name in ["CONDUIT_DEST_EMPTY", "CONDUIT_DEST_B", "MONGODB_URI"] {
            assert!(read(name).is_err_and(|message| message.contains(name)));
        }
        let shown = format!("{sources:?}");
        assert!(
            !shown.contains("hunter") && shown.contains("CONDUIT_DEST_A"),
            "{shown}"
        );
    }

    #[test]
    fn the_last_end_of_line_of_a_file_is_no_part_of_its_secret() {
        let folder = TempDir::new().unwrap();
        let read = in_folder(folder.path());
        for (text, secret) in [
            ("hunter2", "hunter2"),
            ("hunter2\n", "hunter2"),
            ("hunter2\r\n", "hunter2"),
            ("hunter2\n\n", "hunter2\n"),
            (" hunter2 ", " hunter2 "),
        ] {
            std::fs::write(folder.path().join("token"), text).unwrap();
            assert_eq!(read("token").as_deref(), Ok(secret));
        }
        let largest = "x".repeat(usize::try_from(MAX_BYTES).unwrap());
        std::fs::write(folder.path().join("token"), &largest).unwrap();
        assert_eq!(read("token"), Ok(largest));
    }

    #[test]
    fn a_file_without_a_usable_secret_is_named_and_not_quoted() {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("empty"), "\n").unwrap();
        std::fs::write(path("large"), vec![b'x'; 64 * 1024 + 1]).unwrap();
        std::fs::write(path("binary"), b"hunter2\xff").unwrap();
        std::fs::create_dir(path("folder")).unwrap();
        let read = in_folder(folder.path());
        for name in ["absent", "empty", "large", "binary", "folder"] {
            let message = read(name).expect_err(name);
            assert!(
                message.contains(name) && !message.contains("hunter2"),
                "{message}"
            );
        }
        let without = SecretSources::default().read(&SecretReference::File("token".to_owned()));
        assert!(without.is_err_and(|message| message.contains("CONDUIT_SECRETS_DIR is not set")));
    }

    #[test]
    fn links_are_followed_inside_the_folder_and_not_out_of_it() {
        let outside = TempDir::new().unwrap();
        std::fs::write(outside.path().join("token"), "hunter2").unwrap();
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name);
        // As Kubernetes lays secrets out.
        std::fs::create_dir(path("..2024")).unwrap();
        std::fs::write(path("..2024").join("token"), "mine").unwrap();
        symlink("..2024", path("..data")).unwrap();
        symlink("..data/token", path("token")).unwrap();
        symlink(outside.path().join("token"), path("away")).unwrap();
        symlink(outside.path(), path("aside")).unwrap();
        let read = in_folder(folder.path());
        assert_eq!(read("token").as_deref(), Ok("mine"));
        assert!(read("away").is_err_and(|message| message.contains("leaves the folder")));
        // A reference has no separators; if one did, it would still not get out.
        for name in ["aside/token", "../token"] {
            assert!(read(name).is_err(), "{name}");
        }
        let absolute = outside.path().join("token");
        assert!(read(absolute.to_str().unwrap()).is_err());
    }
}
