//! What the file says, in the terms of the contract.

use std::path::Path;

use redb::{DatabaseError, StorageError};

use conduit_core::{StateError, StateErrorKind};

/// Why a transaction was given up.
#[derive(Debug)]
pub(super) enum Failure {
    /// The file cannot be read or written.
    Storage(Box<redb::Error>),
    /// The call is refused.
    Refused(StateError),
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        Self::Refused(error)
    }
}

macro_rules! storage_failures {
    ($($error:ident)+) => {
        $(impl From<redb::$error> for Failure {
            fn from(error: redb::$error) -> Self {
                Self::Storage(Box::new(error.into()))
            }
        })+
    };
}

storage_failures!(StorageError TableError TransactionError CommitError SetDurabilityError);

impl Failure {
    /// The error that the caller of the store gets.
    pub(super) fn into_state_error(self, path: &Path) -> StateError {
        match self {
            Self::Refused(error) => error,
            Self::Storage(error) => {
                let kind = match *error {
                    redb::Error::Corrupted(_)
                    | redb::Error::TableTypeMismatch { .. }
                    | redb::Error::TypeDefinitionChanged { .. } => StateErrorKind::Corrupt,
                    _ => StateErrorKind::Unavailable,
                };
                StateError::new(kind, format!("the state file {} failed", path.display())).with_source(error)
            }
        }
    }
}

/// The file cannot be opened.
pub(super) fn not_opened(path: &Path, error: DatabaseError) -> StateError {
    let path = path.display();
    let (kind, message) = match &error {
        DatabaseError::DatabaseAlreadyOpen => (
            StateErrorKind::Held,
            format!("the state file {path} is in use by another process"),
        ),
        DatabaseError::UpgradeRequired(_) => (
            StateErrorKind::Corrupt,
            format!("the state file {path} is of another version"),
        ),
        DatabaseError::Storage(StorageError::Io(io)) if io.kind() == std::io::ErrorKind::InvalidData => {
            (StateErrorKind::Corrupt, format!("{path} is not a state file"))
        }
        DatabaseError::Storage(StorageError::Corrupted(_)) => (
            StateErrorKind::Corrupt,
            format!("the state file {path} is damaged"),
        ),
        _ => (
            StateErrorKind::Unavailable,
            format!("the state file {path} cannot be opened"),
        ),
    };
    StateError::new(kind, message).with_source(error)
}

/// The file cannot be opened once more, after it failed. Only what no repeat can cure is said to be so.
pub(super) fn not_opened_again(path: &Path, error: DatabaseError) -> StateError {
    let kind = match &error {
        DatabaseError::UpgradeRequired(_) | DatabaseError::Storage(StorageError::Corrupted(_)) => {
            StateErrorKind::Corrupt
        }
        _ => StateErrorKind::Unavailable,
    };
    let message = format!("the state file {} cannot be opened again", path.display());
    StateError::new(kind, message).with_source(error)
}
