//! What came to a destination.

use std::time::Duration;

use conduit_testkit::receiver::Received;
use serde_json::Value;
use tokio::time::Instant;

use crate::mood::{Fate, Reaction};
use crate::senders::Ticket;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// When its last byte was read.
    pub(crate) at: Instant,
    /// When its answer was sent, if one was.
    pub(crate) answered: Instant,
    pub(crate) connection: Option<Ticket>,
    /// The process that sent it, where that could be told.
    pub(crate) sender: Option<u32>,
    pub(crate) fate: Fate,
    pub(crate) event_id: String,
    pub(crate) sequence: String,
    /// The record's `keys`, as text.
    pub(crate) key: String,
    pub(crate) kind: String,
    /// The field `value` of the new image.
    pub(crate) value: Option<i64>,
}

impl Arrival {
    pub(crate) fn of(request: &Received, reaction: &Reaction, connection: Option<Ticket>) -> Self {
        let record = request.json();
        Self {
            at: request.at(),
            answered: request.at() + reaction.delay,
            connection,
            sender: None,
            fate: reaction.fate,
            event_id: text(&record["eventID"]),
            sequence: text(&record["sequenceNumber"]),
            key: record["keys"].to_string(),
            kind: text(&record["recordType"]),
            value: record["newImage"]["value"].as_i64(),
        }
    }

    /// Whether the destination took it in.
    pub(crate) fn is_noted(&self) -> bool {
        self.fate != Fate::Refused
    }

    /// Whether it was in hand, for the destination or for its sender, within `margin` of the stretch of time.
    pub(crate) fn is_within(&self, from: Instant, until: Instant, margin: Duration) -> bool {
        self.answered + margin >= from && self.at <= until + margin
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
