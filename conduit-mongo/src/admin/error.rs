//! What administration answers when it cannot do what is asked.

use std::error::Error;
use std::fmt;

use crate::server_error::{Cause, code, code_of};

/// What to do about a failed administration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AdminErrorKind {
    /// MongoDB cannot do it, with this server or with this kind of collection.
    NotSupported,
    /// What is there stands against it: another index, or documents with the same key.
    Conflict,
    /// The request itself is wrong, say a name that MongoDB does not allow.
    InvalidInput,
    /// MongoDB cannot be reached, or does not allow it to this user: try again later.
    Unavailable,
}

/// What of a [`CollectionLayout`](super::CollectionLayout) an administration failed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AdminField {
    /// The collection itself: its name, or what stands there under it.
    Name,
    /// The key schema's fields.
    Key,
    /// The field by which documents expire.
    TimeToLive,
    /// The stored images.
    Images,
}

/// What MongoDB has against whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Denial {
    /// The user is known and not allowed to do it, or nobody signed in where somebody must.
    NotAllowed,
    /// User or password is wrong.
    BadCredentials,
}

/// An administration that failed. The message is one lower-case line without document contents or secrets.
#[derive(Debug)]
pub struct AdminError {
    kind: AdminErrorKind,
    field: Option<AdminField>,
    denial: Option<Denial>,
    message: String,
    source: Option<Cause>,
}

impl AdminError {
    pub(super) fn new(kind: AdminErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            field: None,
            denial: None,
            message: message.into(),
            source: None,
        }
    }

    /// Makes the error of a driver's: `doing` says what was tried.
    pub(super) fn of(error: &mongodb::error::Error, doing: &str) -> Self {
        use AdminErrorKind::{Conflict, InvalidInput, NotSupported, Unavailable};
        let (kind, message) = match code_of(error) {
            Some(code::UNAUTHORIZED) => (Unavailable, format!("cannot {doing}: the user is not allowed to")),
            Some(code::AUTHENTICATION_FAILED) => (
                Unavailable,
                format!("cannot {doing}: mongodb does not accept the credentials"),
            ),
            Some(code::COMMAND_NOT_FOUND | code::NO_REPLICATION_ENABLED) => (
                NotSupported,
                format!("cannot {doing}: this mongodb cannot do that"),
            ),
            Some(code::INDEX_OPTIONS_CONFLICT | code::INDEX_KEY_SPECS_CONFLICT) => (
                Conflict,
                format!("cannot {doing}: an index of these fields exists with other options"),
            ),
            Some(code::DUPLICATE_KEY) => (
                Conflict,
                format!("cannot {doing}: several documents have the same values"),
            ),
            Some(
                code::BAD_VALUE
                | code::FAILED_TO_PARSE
                | code::TYPE_MISMATCH
                | code::CANNOT_CREATE_INDEX
                | code::INVALID_INDEX_SPECIFICATION_OPTION
                | code::INVALID_OPTIONS
                | code::INVALID_NAMESPACE,
            ) => (InvalidInput, format!("cannot {doing}: mongodb does not take it")),
            _ => (Unavailable, format!("cannot {doing}")),
        };
        let denial = match code_of(error) {
            Some(code::UNAUTHORIZED) => Some(Denial::NotAllowed),
            Some(code::AUTHENTICATION_FAILED) => Some(Denial::BadCredentials),
            _ => None,
        };
        Self {
            kind,
            field: None,
            denial,
            message,
            source: Some(Cause::of(error)),
        }
    }

    /// Names the field at fault, unless the fault is MongoDB's.
    pub(super) fn about(mut self, field: AdminField) -> Self {
        self.field = Some(field).filter(|_| self.kind != AdminErrorKind::Unavailable);
        self
    }

    /// Adds to the message what could not be undone.
    pub(super) fn with_left(mut self, left: &[String]) -> Self {
        if !left.is_empty() {
            self.message = format!("{}; what could not be undone: {}", self.message, left.join(", "));
        }
        self
    }

    /// Returns what to do about it.
    #[must_use]
    pub fn kind(&self) -> AdminErrorKind {
        self.kind
    }

    /// Returns what of the request is at fault; `None` if nothing of it is, or the request has no fields.
    #[must_use]
    pub fn field(&self) -> Option<AdminField> {
        self.field
    }

    /// Returns what MongoDB has against whoever asked, if that is why it failed.
    #[must_use]
    pub fn denial(&self) -> Option<Denial> {
        self.denial
    }

    /// Returns the message without the cause.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for AdminError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_ref()
            .map(|source| source as &(dyn Error + 'static))
    }
}
