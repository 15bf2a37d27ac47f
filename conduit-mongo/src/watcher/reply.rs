//! One reply of the server to a stream's cursor.

use std::sync::Arc;

use conduit_core::{ClusterTime, StreamIdentity};
use mongodb::raw_batch_cursor::RawBatch;

use super::demand::Demand;
use super::event::Event;
use super::token::token_time;
use crate::document::{DecodeError, Elements, find, kind};

/// A reply of fewer events and bytes than this was cut short by nothing but the end of the history.
const SHORT_BYTES: usize = 1 << 20;

/// A reply whose events are decoded where they lie.
#[derive(Debug)]
pub(super) struct Reply {
    batch: RawBatch,
    /// Whether the cursor was opened with it: then an empty reply does not yet mean that there is nothing
    /// more.
    pub(super) is_first: bool,
    pub(super) demand: Demand,
    /// Of the stream that brought it: a token is one of that.
    pub(super) identity: Arc<StreamIdentity>,
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
    pub(super) fn new(
        batch: RawBatch,
        is_first: bool,
        demand: Demand,
        identity: Arc<StreamIdentity>,
    ) -> Self {
        Self {
            batch,
            is_first,
            demand,
            identity,
        }
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
            // Events that are asked for one by one are each a place to go on from, however much was looked at.
            token: match token {
                Some(token) if self.demand.batch_size > 1 || is_empty(events) => token_data(token)?,
                _ => None,
            },
        })
    }

    /// The time and token of the place after the reply.
    pub(super) fn end(&self) -> Option<(ClusterTime, &str)> {
        let parts = self.parts().ok()?;
        match parts.token {
            Some(token) => Some((token_time(token)?, token)),
            None => {
                let last = Elements::new(parts.events).ok()?.last()?.ok()?;
                let event = Event::parse(last.value).ok()?;
                Some((event.time, event.token))
            }
        }
    }

    /// Whether the reply was cut short by nothing but the end of the history.
    pub(super) fn is_short(&self) -> bool {
        let bytes = self.parts().map_or(0, |parts| parts.events.len());
        bytes < SHORT_BYTES && self.event_count() < self.demand.batch_size as usize
    }

    /// How many events the reply holds.
    pub(super) fn event_count(&self) -> usize {
        let parts = self.parts().ok();
        let events = parts.and_then(|parts| Elements::new(parts.events).ok());
        events.map_or(0, Iterator::count)
    }

    /// Whether the reply holds any event.
    pub(super) fn has_events(&self) -> bool {
        self.parts().is_ok_and(|parts| !is_empty(parts.events))
    }
}

fn is_empty(array: &[u8]) -> bool {
    const EMPTY_ARRAY: usize = 5;
    array.len() <= EMPTY_ARRAY
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
