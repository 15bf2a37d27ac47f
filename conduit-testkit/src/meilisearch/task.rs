//! What is asked of an index, and what became of it.

use serde_json::{Map, Value, json};
use tokio::time::Instant;

/// Why something was refused: the `code` and the `type` of Meilisearch's error object.
pub type ErrorCode = (&'static str, &'static str);

/// What a task does.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Work {
    /// Puts documents, each in place of the one before.
    Put {
        /// The documents, in order.
        documents: Vec<Value>,
        /// The primary key that came with them.
        primary_key: Option<String>,
    },
    /// Deletes the documents with these ids.
    Delete(Vec<String>),
    /// Creates the index, with this primary key.
    CreateIndex(Option<String>),
    /// Deletes the index.
    DeleteIndex,
    /// Changes these settings.
    Settings(Map<String, Value>),
}

impl Work {
    /// Whether it is about documents.
    #[must_use]
    pub fn is_of_documents(&self) -> bool {
        matches!(self, Self::Put { .. } | Self::Delete(_))
    }

    /// Returns how many documents it is about.
    #[must_use]
    pub fn document_count(&self) -> usize {
        match self {
            Self::Put { documents, .. } => documents.len(),
            Self::Delete(ids) => ids.len(),
            Self::CreateIndex(_) | Self::DeleteIndex | Self::Settings(_) => 0,
        }
    }

    /// The `type` of its task.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Put { .. } => "documentAdditionOrUpdate",
            Self::Delete(_) => "documentDeletion",
            Self::CreateIndex(_) => "indexCreation",
            Self::DeleteIndex => "indexDeletion",
            Self::Settings(_) => "settingsUpdate",
        }
    }
}

/// A task that the server took.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Task {
    /// The index.
    pub index: String,
    /// What it does.
    pub work: Work,
    /// `None` until it has ended; `Ok` if it succeeded.
    pub end: Option<Result<(), ErrorCode>>,
    /// Whether it was canceled before it could be worked on.
    pub is_canceled: bool,
    /// Whether the server has forgotten it: it is a 404.
    pub is_forgotten: bool,
    pub(super) enqueued: Instant,
}

impl Task {
    pub(super) fn new(index: &str, work: Work) -> Self {
        Self {
            index: index.to_owned(),
            work,
            end: None,
            is_canceled: false,
            is_forgotten: false,
            enqueued: Instant::now(),
        }
    }

    /// The task as `GET /tasks/{uid}` shows it. It never says which document was refused.
    pub(super) fn shown(&self, uid: usize) -> Value {
        let status = match &self.end {
            _ if self.is_canceled => "canceled",
            None => "enqueued",
            Some(Ok(())) => "succeeded",
            Some(Err(_)) => "failed",
        };
        let error = match self.end {
            Some(Err((code, class))) => json!({
                "message": "something about a document: s3cret-contents",
                "code": code,
                "type": class,
                "link": format!("https://docs.meilisearch.com/errors#{code}"),
            }),
            _ => Value::Null,
        };
        json!({
            "uid": uid, "batchUid": uid, "indexUid": self.index, "status": status, "type": self.work.kind(),
            "canceledBy": null, "details": null, "error": error, "duration": null,
            "enqueuedAt": "2026-10-23T18:04:07.402Z", "startedAt": null, "finishedAt": null,
        })
    }
}
