//! The file, opened again after it failed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{Database, Durability, ReadTransaction, ReadableDatabase, ReadableTable};

use conduit_core::StateError;

use super::error::{Failure, not_opened, not_opened_again};
use super::tables::Tables;
use crate::encoding::FORMAT_VERSION;

/// What becomes of a write transaction that did not fail.
#[derive(Debug)]
pub(super) enum Outcome<T> {
    /// It is made durable before the answer is given.
    Keep(T),
    /// It changed nothing.
    Discard(T),
}

/// A file with the tables in it. All calls block.
#[derive(Debug)]
pub(super) struct StateFile {
    path: PathBuf,
    /// None after a failure of the disk, from which on redb refuses to work until the file is opened again.
    current: Mutex<Option<Arc<Database>>>,
}

impl StateFile {
    /// Opens a file, making it if it is not there.
    pub(super) fn open(path: &Path) -> Result<Self, StateError> {
        if let Some(directory) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(directory).map_err(|error| {
                let message = format!("the directory {} cannot be made", directory.display());
                StateError::unavailable(message).with_source(error)
            })?;
        }
        let database = Database::create(path).map_err(|error| not_opened(path, error))?;
        let file = Self {
            path: path.to_owned(),
            current: Mutex::new(Some(Arc::new(database))),
        };
        file.write(|tables| {
            let known = tables.meta.get("format")?.map(|version| version.value());
            match known {
                None => {
                    tables.meta.insert("format", u64::from(FORMAT_VERSION))?;
                    Ok(Outcome::Keep(()))
                }
                Some(version) if version == u64::from(FORMAT_VERSION) => Ok(Outcome::Discard(())),
                Some(version) => Err(StateError::corrupt(format!(
                    "the state file {} has the format version {version}, this program knows {FORMAT_VERSION}",
                    path.display()
                ))
                .into()),
            }
        })?;
        Ok(file)
    }

    /// Runs a change in a transaction of its own: all of it is on the disk when this returns, or nothing of it.
    /// Changes that are made at once wait for each other.
    pub(super) fn write<T>(
        &self,
        change: impl FnOnce(&mut Tables<'_>) -> Result<Outcome<T>, Failure>,
    ) -> Result<T, StateError> {
        let database = self.database()?;
        let run = || {
            let mut transaction = database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            let outcome = change(&mut Tables::open(&transaction)?)?;
            match outcome {
                Outcome::Keep(answer) => {
                    transaction.commit()?;
                    Ok(answer)
                }
                Outcome::Discard(answer) => {
                    transaction.abort()?;
                    Ok(answer)
                }
            }
        };
        run().map_err(|failure| self.failed(failure))
    }

    /// Reads what is there at one moment.
    pub(super) fn read<T>(
        &self,
        look: impl FnOnce(&ReadTransaction) -> Result<T, Failure>,
    ) -> Result<T, StateError> {
        let database = self.database()?;
        let run = || look(&database.begin_read()?);
        run().map_err(|failure| self.failed(failure))
    }

    fn database(&self) -> Result<Arc<Database>, StateError> {
        let mut current = self.current();
        if let Some(database) = &*current {
            return Ok(Arc::clone(database));
        }
        // While a call still has the failed one this fails too, and goes right later.
        let database = Database::open(&self.path).map_err(|error| not_opened_again(&self.path, error))?;
        let database = Arc::new(database);
        *current = Some(Arc::clone(&database));
        Ok(database)
    }

    fn failed(&self, failure: Failure) -> StateError {
        if matches!(&failure, Failure::Storage(error) if matches!(**error, redb::Error::Io(_) | redb::Error::PreviousIo))
        {
            *self.current() = None;
        }
        failure.into_state_error(&self.path)
    }

    fn current(&self) -> MutexGuard<'_, Option<Arc<Database>>> {
        // Nothing panics while the lock is held.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
