//! One change of a collection, and how it is undone.

use bson::{Document, doc};
use conduit_core::CollectionName;
use mongodb::Database;
use mongodb::error::Error;

use super::error::{AdminError, AdminField};
use super::index::{Index, KEY_INDEX};
use crate::server_error::{code, code_of};

/// One change of a collection.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Step {
    /// Make an index.
    MakeIndex(Index),
    /// Drop an index.
    DropIndex(Index),
    /// Store images, or no more.
    StoreImages(bool),
}

/// A step that failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: AdminError,
    /// Without the server's word on it the step may have been done all the same.
    pub(super) is_unknown: bool,
}

impl Step {
    /// The step that undoes this one.
    pub(super) fn inverse(&self) -> Self {
        match self {
            Self::MakeIndex(index) => Self::DropIndex(index.clone()),
            Self::DropIndex(index) => Self::MakeIndex(index.clone()),
            Self::StoreImages(wanted) => Self::StoreImages(!wanted),
        }
    }

    /// Does it. What is done already is done; returns whether there was something to do.
    pub(super) async fn run(&self, database: &Database, name: &CollectionName) -> Result<bool, Failed> {
        match database.run_command(self.command(name)).await {
            Ok(reply) => Ok(!self.was_done_before(&reply)),
            Err(error) if self.has_nothing_to_drop(&error) => Ok(false),
            Err(error) => Err(Failed {
                error: AdminError::of(&error, &self.describe(name)).about(self.field()),
                is_unknown: code_of(&error).is_none(),
            }),
        }
    }

    /// Says what it does.
    pub(super) fn describe(&self, name: &CollectionName) -> String {
        match self {
            Self::MakeIndex(index) => {
                let fields = index.fields().join(", ");
                format!("make the index {} of {name} over {fields}", index.name())
            }
            Self::DropIndex(index) => format!("drop the index {} of {name}", index.name()),
            Self::StoreImages(true) => format!("turn on stored images of {name}"),
            Self::StoreImages(false) => format!("turn off stored images of {name}"),
        }
    }

    pub(super) fn field(&self) -> AdminField {
        match self {
            Self::MakeIndex(index) | Self::DropIndex(index) if index.name() == KEY_INDEX => AdminField::Key,
            Self::MakeIndex(_) | Self::DropIndex(_) => AdminField::TimeToLive,
            Self::StoreImages(_) => AdminField::Images,
        }
    }

    /// The command that does it.
    pub(super) fn command(&self, name: &CollectionName) -> Document {
        let name = name.as_str();
        match self {
            Self::MakeIndex(index) => doc! { "createIndexes": name, "indexes": [index.document()] },
            Self::DropIndex(index) => doc! { "dropIndexes": name, "index": index.name() },
            Self::StoreImages(wanted) => {
                doc! { "collMod": name, "changeStreamPreAndPostImages": { "enabled": *wanted } }
            }
        }
    }

    /// Whether somebody else made the same index meanwhile: then it is not ours to undo.
    fn was_done_before(&self, reply: &Document) -> bool {
        let count = |field| reply.get_i32(field).ok();
        let counts = (count("numIndexesBefore"), count("numIndexesAfter"));
        matches!((self, counts), (Self::MakeIndex(_), (Some(before), Some(after))) if before == after)
    }

    fn has_nothing_to_drop(&self, error: &Error) -> bool {
        let is_gone = matches!(
            code_of(error),
            Some(code::NAMESPACE_NOT_FOUND | code::INDEX_NOT_FOUND)
        );
        is_gone && matches!(self, Self::DropIndex(_))
    }
}
