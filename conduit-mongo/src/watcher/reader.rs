//! The task that owns a change stream's cursor.

use std::sync::Arc;

use conduit_core::{Position, StreamIdentity, WatchError};
use mongodb::Database;
use mongodb::error::Error;
use tokio::sync::{mpsc, oneshot};

use super::cursor::EventCursor;
use super::demand::{Contents, Demand};
use super::error::{Phase, is_event_too_large, is_token_refused, watch_error};
use super::listing::list_collections;
use super::open_gauge::OpenGauge;
use super::portion::Portion;
use super::reply::Reply;
use super::settings::StreamSettings;
use super::shape::StreamShape;
use super::source::{is_other_cluster, source_identity};
use super::start::Start;
use super::traffic::Traffic;

/// Opens a cursor and reads it until nobody wants its replies.
///
/// The driver's futures must never be dropped midway: a connection would be thrown away, a cursor left on the
/// server. So they live in this task, which ends by itself between two of them.
///
/// A change too large for an event ends the server's cursor, and would end the next one at the same place.
/// The reader then goes on in small steps up to that change, reads it without its images, and reads on behind it
/// as before. It keeps nothing of this but its place, so that whoever opens at any place in between comes to
/// the same records.
#[derive(Debug)]
pub(super) struct Reader {
    database: Database,
    shape: StreamShape,
    settings: StreamSettings,
    replies: mpsc::Sender<Result<Portion, WatchError>>,
    traffic: Arc<Traffic>,
    /// After the last reply that was sent.
    position: Position,
    identity: Arc<StreamIdentity>,
}

/// A cursor, and where to open instead should its token turn out to be refused.
struct Opened {
    cursor: EventCursor,
    fallback: Option<Start>,
}

/// Why reading stopped.
enum Stop {
    /// Nobody wants the replies any more.
    Unwanted,
    /// A change after the position is too large for an event.
    TooLarge(Error),
    Failed(WatchError),
}

impl Reader {
    /// Opens what comes after `position`, once it runs.
    pub(super) fn new(
        database: Database,
        shape: StreamShape,
        settings: StreamSettings,
        replies: mpsc::Sender<Result<Portion, WatchError>>,
        traffic: Arc<Traffic>,
        position: Position,
    ) -> Self {
        Self {
            database,
            shape,
            settings,
            replies,
            traffic,
            position,
            identity: Arc::default(),
        }
    }

    /// Opens the stream, tells `opened` its identity or what went wrong, and reads on.
    pub(super) async fn run(
        mut self,
        opened: oneshot::Sender<Result<Arc<StreamIdentity>, WatchError>>,
        _gauge: Arc<OpenGauge>,
    ) {
        let first = match self.open_first().await {
            Err(Stop::Failed(error)) => {
                let _ = opened.send(Err(error));
                return;
            }
            first => first,
        };
        // Whoever opened may have given up meanwhile; then the cursor is closed at once.
        if opened.send(Ok(Arc::clone(&self.identity))).is_err() {
            return;
        }
        if let Stop::Failed(error) = self.read_on(first).await {
            let _ = self.replies.send(Err(error)).await;
        }
    }

    async fn open_first(&mut self) -> Result<Opened, Stop> {
        let source = source_identity(&self.database)
            .await
            .map_err(|error| Stop::Failed(watch_error(&error, Phase::Opening)))?;
        let known = &self.position.stream().source;
        if is_other_cluster(known, &source) {
            return Err(Stop::Failed(WatchError::invalid(format!(
                "the position belongs to another cluster ({known}) than the one that is connected ({source})"
            ))));
        }
        let shape = self.cheapest_shape(Phase::Opening).await?;
        self.take(shape, source);
        self.open_or(self.shape.start(&self.position, &self.identity.source))
            .await
    }

    /// The shape with the match that is cheapest to the server now.
    async fn cheapest_shape(&self, phase: Phase) -> Result<StreamShape, Stop> {
        if !self.shape.depends_on_others() {
            return Ok(self.shape.clone());
        }
        let existing = list_collections(&self.database).await;
        Ok(self
            .shape
            .among(existing.map_err(|error| Stop::Failed(watch_error(&error, phase)))?))
    }

    fn take(&mut self, shape: StreamShape, source: String) {
        let options = shape.fingerprint();
        self.shape = shape;
        self.identity = Arc::new(StreamIdentity { source, options });
    }

    /// Opens a stream as the settings say, or at its fallback if its token is refused.
    async fn open_or(&self, (start, fallback): (Start, Option<Start>)) -> Result<Opened, Stop> {
        let demand = Demand::many(self.settings.batch_size);
        match (self.open(&start, demand).await, fallback) {
            (Ok(cursor), fallback) => Ok(Opened { cursor, fallback }),
            (Err(error), Some(fallback)) if is_token_refused(&error) => {
                self.open_instead(&fallback, &error).await
            }
            (Err(error), _) => Err(Stop::of(error, Phase::Opening)),
        }
    }

    async fn open_instead(&self, start: &Start, refusal: &Error) -> Result<Opened, Stop> {
        let refusal = watch_error(refusal, Phase::Opening);
        tracing::debug!(error = ?refusal, "the resume token is refused, so its time is used");
        let cursor = self.open(start, Demand::many(self.settings.batch_size)).await;
        Ok(Opened {
            cursor: cursor.map_err(|error| Stop::of(error, Phase::Opening))?,
            fallback: None,
        })
    }

    async fn open(&self, start: &Start, demand: Demand) -> Result<EventCursor, Error> {
        let identity = Arc::clone(&self.identity);
        EventCursor::open(
            &self.database,
            &self.shape,
            start,
            demand,
            identity,
            &self.settings,
        )
        .await
    }

    /// Reads until an error, or until nobody wants replies, passing changes that are too large.
    async fn read_on(&mut self, first: Result<Opened, Stop>) -> Stop {
        let mut opened = first;
        loop {
            let stop = match opened {
                Ok(opened) => self.read(opened).await,
                Err(stop) => stop,
            };
            let Stop::TooLarge(error) = stop else { return stop };
            let error = watch_error(&error, Phase::Reading);
            tracing::debug!(error = ?error, after = ?self.position.time(), "going on in small steps");
            if let Err(stop) = self.pass().await {
                return stop;
            }
            let start = self.shape.restart(&self.position, &self.identity.source);
            opened = self.open_or(start).await;
        }
    }

    /// Reads replies until the stream stops; dropping the cursor then closes it on the server.
    ///
    /// A refused token may only show with the first event that comes after it; until then the fallback is
    /// kept.
    async fn read(&mut self, mut opened: Opened) -> Stop {
        loop {
            let reply = match opened.cursor.next().await {
                Some(Ok(reply)) => reply,
                Some(Err(error)) => match opened.fallback.take() {
                    Some(start) if is_token_refused(&error) => {
                        match self.open_instead(&start, &error).await {
                            Ok(instead) => {
                                opened = instead;
                                continue;
                            }
                            Err(stop) => return stop,
                        }
                    }
                    _ => return Stop::of(error, Phase::Reading),
                },
                None => return Stop::closed(),
            };
            if reply.has_events() {
                opened.fallback = None;
            }
            if let Err(stop) = self.send(reply).await {
                return stop;
            }
            match self.renew().await {
                Ok(Some(renewed)) => opened = renewed,
                Ok(None) => {}
                Err(stop) => return stop,
            }
        }
    }

    /// Opens a stream with another match in place of this one, if most of what it brought was not wanted.
    ///
    /// It is opened at the position's time. Its replies are of another identity, by which whoever takes them knows
    /// to leave out what they have already.
    async fn renew(&mut self) -> Result<Option<Opened>, Stop> {
        if !self.shape.lets_others_through() || !self.traffic.take_mostly_unwanted() {
            return Ok(None);
        }
        let shape = self.cheapest_shape(Phase::Reading).await?;
        if shape == self.shape {
            return Ok(None);
        }
        tracing::debug!(after = ?self.position.time(), "matching anew, since most changes were not wanted");
        let source = self.identity.source.clone();
        self.take(shape, source);
        let start = self.shape.start(&self.position, &self.identity.source);
        self.open_or(start).await.map(Some)
    }

    /// Reads in small steps until a change that is too large was passed, or there is none.
    async fn pass(&mut self) -> Result<(), Stop> {
        // A reply that fails is lost as a whole, so the last steps are of one change. The first are larger, for
        // the change may be the last of thousands.
        let many = self.settings.batch_size;
        let some = many.isqrt();
        for (batch_size, most) in [(some, many), (1, some)] {
            match self.read_carefully(batch_size, most).await {
                Err(Stop::TooLarge(_)) => {}
                other => return other,
            }
        }
        let bare = self.read_without_images().await?;
        // Shards do not fail in the order of their changes, so it may have been another one that failed.
        let Some((time, token)) = bare.end() else {
            return Err(Stop::Failed(WatchError::invalid(
                "a change event cannot be decoded",
            )));
        };
        let only = Start::Only(time, token.to_owned());
        match self.next_event(&only, Contents::Needed).await {
            Err(Stop::TooLarge(_)) => {
                tracing::warn!(
                    ?time,
                    "a change is larger than mongodb can send: its images are left out"
                );
                self.send(bare).await
            }
            Ok(whole) => self.send(whole).await,
            Err(stop) => Err(stop),
        }
    }

    /// Reads up to `most` events, until there are no more.
    async fn read_carefully(&mut self, batch_size: u32, most: u32) -> Result<(), Stop> {
        let start = Start::beyond(&self.position);
        let demand = Demand {
            batch_size,
            contents: Contents::Needed,
        };
        let mut cursor = self
            .open(&start, demand)
            .await
            .map_err(|error| Stop::of(error, Phase::Opening))?;
        let mut events = 0;
        while events < most as usize {
            let reply = match cursor.next().await {
                Some(reply) => reply.map_err(|error| Stop::of(error, Phase::Reading))?,
                None => return Err(Stop::closed()),
            };
            let count = reply.event_count();
            if count == 0 && !reply.is_first {
                return Ok(());
            }
            events += count;
            self.send(reply).await?;
        }
        Ok(())
    }

    /// Reads the next change without its images; if it can be, with the fields of its key.
    async fn read_without_images(&self) -> Result<Reply, Stop> {
        let start = Start::beyond(&self.position);
        match self.next_event(&start, Contents::Keys).await {
            Err(Stop::TooLarge(_)) => {}
            other => return other,
        }
        match self.next_event(&start, Contents::NoImages).await {
            Err(Stop::TooLarge(error)) => Err(Stop::Failed(watch_error(&error, Phase::Reading))),
            other => other,
        }
    }

    /// Opens a stream and reads its first event, of which it is known that it is there.
    async fn next_event(&self, start: &Start, contents: Contents) -> Result<Reply, Stop> {
        let mut cursor = self
            .open(start, Demand::one(contents))
            .await
            .map_err(|error| Stop::of(error, Phase::Opening))?;
        while !self.replies.is_closed() {
            match cursor.next().await {
                Some(Ok(reply)) if reply.has_events() => return Ok(reply),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Stop::of(error, Phase::Reading)),
                None => return Err(Stop::closed()),
            }
        }
        Err(Stop::Unwanted)
    }

    async fn send(&mut self, reply: Reply) -> Result<(), Stop> {
        if let Some((time, token)) = reply.end() {
            let end = Position::after(time, token, Arc::clone(&self.identity));
            if end >= self.position {
                self.position = end;
            }
        }
        let is_sent = self.replies.send(Ok(Portion::whole(reply))).await.is_ok();
        if is_sent && !self.replies.is_closed() {
            Ok(())
        } else {
            Err(Stop::Unwanted)
        }
    }
}

impl Stop {
    fn of(error: Error, phase: Phase) -> Self {
        if is_event_too_large(&error) {
            Self::TooLarge(error)
        } else {
            Self::Failed(watch_error(&error, phase))
        }
    }

    fn closed() -> Self {
        Self::Failed(WatchError::unavailable(
            "the server closed the change stream, as it does when the database is dropped",
        ))
    }
}
