//! The right to call an endpoint.

use std::sync::Arc;

use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

use super::endpoint::Endpoint;
use crate::contract::SinkError;
use crate::value::RecordKey;

/// How an endpoint does, as its subscriptions see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// It takes calls, all of them or a growing number.
    Serving,
    /// It fails as a whole, and records of the streams are tried one at a time.
    Trying(Arc<str>),
    /// It fails as a whole: nothing is sent but probes.
    Held(Arc<str>),
}

/// Who wants to make a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// A lane.
    Lane,
    /// Waiting records of a key.
    Chain,
    /// A waiting record that is sent to see whether the endpoint answers again.
    Probe,
}

/// Whether a call may be made.
#[derive(Debug)]
pub(crate) enum Entry {
    /// Now.
    Go(Pass),
    /// Not before something changes, or this moment.
    Wait(Option<Instant>),
    /// Not without a turn at the server.
    NeedsTurn,
}

/// What a call came to: for each key why it failed, if it did.
pub(crate) trait Outcomes<'e>: Iterator<Item = (RecordKey, Option<&'e SinkError>)> + Clone {}

impl<'e, I: Iterator<Item = (RecordKey, Option<&'e SinkError>)> + Clone> Outcomes<'e> for I {}

/// Whether a failure counts as an attempt of its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counts {
    /// It does.
    Yes,
    /// The endpoint fails as a whole, or did: it says nothing of the record.
    No,
}

/// The right to make one call. Dropped without a report, the call counts for nothing.
#[derive(Debug)]
pub(crate) struct Pass {
    endpoint: Arc<Endpoint>,
    /// The limited phase that it belongs to; `None` if there was no limit.
    number: Option<u64>,
    is_reported: bool,
}

impl Pass {
    pub(super) fn new(endpoint: Arc<Endpoint>, number: Option<u64>) -> Self {
        Self {
            endpoint,
            number,
            is_reported: false,
        }
    }

    /// Notes what the call came to: for each key why it failed, if it did; nothing for what was throttled. Tells whether
    /// failures that speak of the destination count as attempts.
    pub(crate) fn report<'e>(mut self, outcomes: impl Outcomes<'e>) -> Counts {
        self.is_reported = true;
        self.endpoint.report(self.number, outcomes)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if !self.is_reported {
            self.endpoint.give_back(self.number);
        }
    }
}

/// A waiting record's part in asking whether its destination answers again, and its turn at the server while it has one.
#[derive(Debug)]
pub(super) struct Probe<'a> {
    endpoint: &'a Endpoint,
    turn: Option<Turn<'a>>,
}

/// The one turn of a server.
pub(super) type Turn<'a> = SemaphorePermit<'a>;

impl<'a> Probe<'a> {
    pub(super) fn new(endpoint: &'a Endpoint) -> Self {
        endpoint.begin_probe();
        Self { endpoint, turn: None }
    }

    pub(super) fn turn(&self) -> Option<&Turn<'a>> {
        self.turn.as_ref()
    }

    pub(super) async fn take_turn(&mut self) {
        self.turn = self.endpoint.server().turn().await;
    }

    pub(super) fn give_turn_back(&mut self) {
        self.turn = None;
    }
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        self.endpoint.end_probe();
    }
}
