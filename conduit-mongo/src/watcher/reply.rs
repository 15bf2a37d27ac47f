//! One reply of the server to a stream's cursor.

use mongodb::raw_batch_cursor::RawBatch;

use crate::document::{DecodeError, find, kind};

/// A reply whose events are decoded where they lie.
#[derive(Debug)]
pub(super) struct Reply {
    batch: RawBatch,
    /// Whether the cursor was opened with it: then an empty reply does not yet mean that there is nothing
    /// more.
    pub(super) is_first: bool,
}

/// Where the parts of a reply lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReplyParts<'a> {
    /// The array of events.
    pub(super) events: &'a [u8],
    /// The token after everything that the server looked at for this reply.
    pub(super) token: Option<&'a str>,
}

impl Reply {
    pub(super) fn new(batch: RawBatch, is_first: bool) -> Self {
        Self { batch, is_first }
    }

    /// Finds the parts.
    pub(super) fn parts(&self) -> Result<ReplyParts<'_>, DecodeError> {
        const MISSING: DecodeError = DecodeError::new("the reply holds no batch");
        let root = self.batch.as_raw_document().as_bytes();
        let cursor = find(root, b"cursor")?
            .and_then(|cursor| cursor.nested())
            .ok_or(MISSING)?;
        let batch = if self.is_first {
            &b"firstBatch"[..]
        } else {
            b"nextBatch"
        };
        let events = find(cursor, batch)?
            .and_then(|batch| batch.nested())
            .ok_or(MISSING)?;
        let token = find(cursor, b"postBatchResumeToken")?.and_then(|token| token.nested());
        Ok(ReplyParts {
            events,
            token: token.map(token_data).transpose()?.flatten(),
        })
    }

    /// Whether the reply holds any event.
    pub(super) fn has_events(&self) -> bool {
        const EMPTY_ARRAY: usize = 5;
        self.parts().is_ok_and(|parts| parts.events.len() > EMPTY_ARRAY)
    }
}

/// The text of a token document.
pub(super) fn token_data(token: &[u8]) -> Result<Option<&str>, DecodeError> {
    match find(token, b"_data")? {
        Some(data) if data.kind == kind::STRING => std::str::from_utf8(data.text()?)
            .map(Some)
            .map_err(|_| DecodeError::new("the resume token is no text")),
        _ => Ok(None),
    }
}
