//! What an operator wants done with dead letters.

use std::fmt;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::contract::{LetterSelection, StateError};

/// What a redrive came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redriven {
    /// Dead letters that wait to be sent again.
    pub redriven: u64,
    /// Dead letters that stay where they are, since a newer record of their key was acknowledged.
    pub stale: u64,
}

/// Why a command was not carried out, or not to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CommandErrorKind {
    /// This engine does not hold the collection's lease, so it does not know it well enough: ask the one that does.
    NotHeld,
    /// A destination rests (it is paused, or halted): wake it first.
    AtRest,
    /// The store does not answer, or the subscription ended meanwhile: ask again.
    Unavailable,
}

/// A command that was not carried out, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandError {
    kind: CommandErrorKind,
    message: String,
}

impl CommandError {
    /// Makes an error: `message` is one lower-case line.
    #[must_use]
    pub fn new(kind: CommandErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// Returns what to do about it.
    #[must_use]
    pub fn kind(&self) -> CommandErrorKind {
        self.kind
    }

    pub(crate) fn of_store(error: &StateError) -> Self {
        Self::new(CommandErrorKind::Unavailable, error.to_string())
    }

    pub(crate) fn ended() -> Self {
        Self::new(
            CommandErrorKind::Unavailable,
            "the destination is being started again",
        )
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CommandError {}

/// Where the answer to a command goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, CommandError>>;

/// Work on dead letters, for whoever holds the collection's lease.
#[derive(Debug)]
pub(crate) enum Command {
    /// Send them again.
    Redrive {
        selection: LetterSelection,
        /// Those too whose key has had a newer record acknowledged.
        include_stale: bool,
        reply: Reply<Redriven>,
    },
    /// Drop them; the answer is how many there were.
    Purge {
        selection: LetterSelection,
        reply: Reply<u64>,
    },
}

impl Command {
    pub(crate) fn refuse(self, error: CommandError) {
        // Nobody waiting for the answer is no error.
        match self {
            Self::Redrive { reply, .. } => drop(reply.send(Err(error))),
            Self::Purge { reply, .. } => drop(reply.send(Err(error))),
        }
    }

    pub(crate) fn selection(&self) -> &LetterSelection {
        match self {
            Self::Redrive { selection, .. } | Self::Purge { selection, .. } => selection,
        }
    }
}
