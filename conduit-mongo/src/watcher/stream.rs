//! An open stream: decodes what its reader brings, as much at a time as is asked for.

use std::sync::Arc;

use async_trait::async_trait;
use conduit_core::{
    BatchLimits, ClusterTime, Position, Record, RecordStream, Sequence, StreamBatch, StreamIdentity,
    WatchError,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::event::Event;
use super::reply::Reply;
use super::token::token_time;
use super::traffic::Traffic;
use super::transcoder::Transcoder;
use crate::document::{DecodeError, Elements};

/// A reply of fewer events and bytes than this was cut short by nothing but the end of the history.
const SHORT_REPLY_BYTES: usize = 1 << 20;

/// An open stream. Its reader ends when it is dropped.
#[derive(Debug)]
pub(super) struct MongoStream {
    replies: mpsc::Receiver<Result<Reply, WatchError>>,
    transcoder: Transcoder,
    traffic: Arc<Traffic>,
    identity: Arc<StreamIdentity>,
    position: Position,
    /// What the change stream was opened after, until a change of a later time was seen.
    skipped: Option<Position>,
    current: Option<Partly>,
    at_end: bool,
}

/// A reply of which a part was handed out.
#[derive(Debug)]
struct Partly {
    reply: Reply,
    offset: usize,
    events: u32,
}

impl MongoStream {
    pub(super) fn new(
        replies: mpsc::Receiver<Result<Reply, WatchError>>,
        transcoder: Transcoder,
        traffic: Arc<Traffic>,
        identity: Arc<StreamIdentity>,
        start: &Position,
    ) -> Self {
        Self {
            replies,
            transcoder,
            traffic,
            identity,
            position: start.clone(),
            skipped: Some(start.clone()),
            current: None,
            at_end: false,
        }
    }

    fn batch(&self, records: Vec<Arc<Record>>) -> StreamBatch {
        let reached_end = self.at_end && self.current.is_none();
        StreamBatch {
            records,
            position: self.position.clone(),
            reached_end,
        }
    }

    /// Takes up a reply; the first of a change stream that was opened in place of another begins at the time of the
    /// last position.
    fn take_up(&mut self, reply: Reply) -> Partly {
        if !Arc::ptr_eq(&self.identity, &reply.identity) {
            self.identity = Arc::clone(&reply.identity);
            self.skipped = Some(self.position.clone());
        }
        Partly {
            reply,
            offset: 0,
            events: 0,
        }
    }

    /// Decodes events of the current reply up to the limits.
    fn hand_out(&mut self, mut partly: Partly, limits: BatchLimits) -> Result<StreamBatch, WatchError> {
        let mut records = Vec::new();
        let mut bytes = 0;
        let mut last: Option<(ClusterTime, Arc<str>)> = None;
        let mut is_finished = false;
        let (mut wanted, mut unwanted) = (0, 0);
        let parts = partly.reply.parts().map_err(|error| undecodable(None, error))?;
        let mut events =
            Elements::resume(parts.events, partly.offset).map_err(|error| undecodable(None, error))?;
        while records.len() < limits.max_records.max(1) {
            let Some(element) = events.next() else {
                is_finished = true;
                break;
            };
            let event = element.and_then(|element| Event::parse(element.value));
            let event = match event {
                Ok(event) => event,
                Err(error) if records.is_empty() => return Err(undecodable(None, error)),
                Err(_) => break,
            };
            let before = records.len();
            if !self.transcoder.wants(event.collection) {
                unwanted += 1;
            } else if !is_skipped(&mut self.skipped, &event) {
                wanted += 1;
                match self
                    .transcoder
                    .transcode(&event, partly.reply.demand, &mut records)
                {
                    Ok(()) => {}
                    Err(error) if before == 0 => return Err(undecodable(Some(event.token), error)),
                    // The records before it go out first; the next call comes upon it again.
                    Err(_) => {
                        records.truncate(before);
                        break;
                    }
                }
                bytes += records[before..]
                    .iter()
                    .map(|record| record.size())
                    .sum::<usize>();
                if before > 0 && bytes > limits.max_bytes {
                    records.truncate(before);
                    break;
                }
            }
            partly.offset = events.offset();
            partly.events += 1;
            last = Some((event.time, event.token.into()));
        }
        self.traffic.add(wanted, unwanted);
        if let Some((time, token)) = last {
            self.advance(time, token);
        }
        if is_finished {
            if let Some(token) = parts.token
                && let Some(time) = token_time(token)
            {
                self.advance(time, token.into());
            }
            let is_short =
                partly.events < partly.reply.demand.batch_size && parts.events.len() < SHORT_REPLY_BYTES;
            self.at_end = is_short && !partly.reply.is_first;
        } else {
            self.current = Some(partly);
        }
        Ok(self.batch(records))
    }

    /// Positions never go back, whatever a server says.
    fn advance(&mut self, time: ClusterTime, token: Arc<str>) {
        let position = Position::after(time, token, Arc::clone(&self.identity));
        if position >= self.position {
            self.position = position;
        }
    }
}

#[async_trait]
impl RecordStream for MongoStream {
    async fn next_batch(&mut self, limits: BatchLimits) -> Result<StreamBatch, WatchError> {
        if let Some(partly) = self.current.take() {
            return self.hand_out(partly, limits);
        }
        match timeout(limits.max_wait, self.replies.recv()).await {
            Ok(Some(Ok(reply))) => {
                let partly = self.take_up(reply);
                self.hand_out(partly, limits)
            }
            Ok(Some(Err(error))) => Err(error),
            Ok(None) => Err(WatchError::unavailable("the change stream has ended")),
            Err(_) => Ok(self.batch(Vec::new())),
        }
    }
}

/// Whether the event is at or before the position that the stream was opened after.
///
/// A stream opened at a time brings all changes of that time, so those that are done are left out here.
fn is_skipped(skipped: &mut Option<Position>, event: &Event<'_>) -> bool {
    let Some(start) = skipped else { return false };
    if event.time > start.time() {
        *skipped = None;
        return false;
    }
    start.covers(event.time, &Sequence::whole(event.token))
}

fn undecodable(token: Option<&str>, error: DecodeError) -> WatchError {
    let message = match token {
        Some(token) => format!("the change event with the resume token {token} cannot be decoded"),
        None => "a change event cannot be decoded".to_owned(),
    };
    WatchError::invalid(message).with_source(error)
}
