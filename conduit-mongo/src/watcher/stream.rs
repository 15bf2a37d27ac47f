//! An open stream: decodes what its reader brings, as much at a time as is asked for.

use std::sync::Arc;

use async_trait::async_trait;
use conduit_core::{
    BatchLimits, ClusterTime, Position, Record, RecordStream, RecordWriter, Sequence, StreamBatch,
    StreamIdentity, WatchError,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::event::Event;
use super::portion::Portion;
use super::token::token_time;
use super::traffic::Traffic;
use super::transcoder::Transcoder;
use crate::document::{DecodeError, Elements};

/// An open stream. Its reader ends when it is dropped.
#[derive(Debug)]
pub(super) struct MongoStream {
    portions: mpsc::Receiver<Result<Portion, WatchError>>,
    transcoder: Transcoder,
    /// Empty between two batches.
    writer: RecordWriter,
    traffic: Arc<Traffic>,
    identity: Arc<StreamIdentity>,
    position: Position,
    /// What the change stream was opened after, until a change of a later time was seen.
    skipped: Option<Position>,
    current: Option<Partly>,
    at_end: bool,
}

/// A portion of which a part was handed out.
#[derive(Debug)]
struct Partly {
    portion: Portion,
    offset: usize,
}

impl MongoStream {
    pub(super) fn new(
        portions: mpsc::Receiver<Result<Portion, WatchError>>,
        transcoder: Transcoder,
        traffic: Arc<Traffic>,
        identity: Arc<StreamIdentity>,
        start: &Position,
    ) -> Self {
        Self {
            portions,
            transcoder,
            writer: RecordWriter::new(),
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

    /// Takes up a portion; the first of a change stream that was opened in place of another begins at the time of the
    /// last position.
    fn take_up(&mut self, portion: Portion) -> Partly {
        if !Arc::ptr_eq(&self.identity, &portion.reply.identity) {
            self.identity = Arc::clone(&portion.reply.identity);
            self.skipped = Some(self.position.clone());
        }
        self.at_end = false;
        let offset = portion.events.start;
        Partly { portion, offset }
    }

    /// Decodes events of the current portion up to the limits.
    fn hand_out(&mut self, mut partly: Partly, limits: BatchLimits) -> Result<StreamBatch, WatchError> {
        let mut bytes = 0;
        let mut last: Option<(ClusterTime, Arc<str>)> = None;
        let mut is_finished = false;
        let (mut wanted, mut unwanted) = (0, 0);
        let portion = &partly.portion;
        let parts = portion.reply.parts().map_err(|error| undecodable(None, error))?;
        let mut events =
            Elements::resume(parts.events, partly.offset).map_err(|error| undecodable(None, error))?;
        while self.writer.len() < limits.max_records.max(1) {
            let offset = events.offset();
            let next = match offset < portion.events.end {
                true => events.next(),
                false => None,
            };
            let Some(element) = next else {
                is_finished = true;
                break;
            };
            let event = element.and_then(|element| Event::parse(element.value));
            let event = match event {
                Ok(event) => event.with_image(portion.images.of_event(offset)),
                Err(error) if self.writer.is_empty() => return Err(undecodable(None, error)),
                Err(_) => break,
            };
            let before = self.writer.len();
            if !self.transcoder.wants(event.collection) {
                unwanted += 1;
            } else if !is_skipped(&mut self.skipped, &event) {
                wanted += 1;
                match self
                    .transcoder
                    .transcode(&event, portion.reply.demand, &mut self.writer)
                {
                    Ok(size) => bytes += size,
                    Err(error) if before == 0 => return Err(undecodable(Some(event.token), error)),
                    // The records before it go out first; the next call comes upon it again.
                    Err(_) => break,
                }
                if before > 0 && bytes > limits.max_bytes {
                    self.writer.truncate(before);
                    break;
                }
            }
            partly.offset = events.offset();
            last = Some((event.time, event.token.into()));
        }
        self.traffic.add(wanted, unwanted);
        if let Some((time, token)) = last {
            self.advance(time, token);
        }
        if !is_finished {
            self.current = Some(partly);
        } else if portion.is_last() {
            if let Some(token) = parts.token
                && let Some(time) = token_time(token)
            {
                self.advance(time, token.into());
            }
            self.at_end = portion.reply.is_short() && !portion.reply.is_first;
        }
        let records = self.writer.finish();
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
        match timeout(limits.max_wait, self.portions.recv()).await {
            Ok(Some(Ok(portion))) => {
                let partly = self.take_up(portion);
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
