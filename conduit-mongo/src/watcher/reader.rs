//! The task that owns a change stream's cursor.

use bson::RawDocumentBuf;
use conduit_core::{Position, WatchError};
use futures_util::StreamExt;
use mongodb::Database;
use mongodb::error::Error;
use mongodb::raw_batch_cursor::RawBatchCursor;
use tokio::sync::{mpsc, oneshot, watch};

use super::error::{Phase, is_token_refused, watch_error};
use super::reply::Reply;
use super::settings::StreamSettings;
use super::shape::{Start, StreamShape};
use super::source::{is_other_cluster, source_identity};

/// Opens a cursor and reads it until nobody wants its replies.
///
/// The driver's futures must never be dropped midway: a connection would be thrown away, a cursor left on the
/// server. So they live in this task, which ends by itself between two of them.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) database: Database,
    pub(super) shape: StreamShape,
    pub(super) settings: StreamSettings,
    pub(super) replies: mpsc::Sender<Result<Reply, WatchError>>,
}

impl Reader {
    /// Opens the stream, tells `opened` the source's identity or what went wrong, and reads on.
    pub(super) async fn run(
        self,
        position: Position,
        opened: oneshot::Sender<Result<String, WatchError>>,
        _gauge: OpenGauge,
    ) {
        let (source, cursor, fallback) = match self.open_after(&position).await {
            Ok(stream) => stream,
            Err(error) => {
                let _ = opened.send(Err(error));
                return;
            }
        };
        // Whoever opened may have given up meanwhile; then the cursor is closed at once.
        if opened.send(Ok(source)).is_ok() {
            self.read(cursor, fallback).await;
        }
    }

    async fn open_after(
        &self,
        position: &Position,
    ) -> Result<(String, RawBatchCursor, Option<Start>), WatchError> {
        let source = source_identity(&self.database)
            .await
            .map_err(|error| watch_error(&error, Phase::Opening))?;
        if is_other_cluster(&position.stream().source, &source) {
            return Err(WatchError::invalid(format!(
                "the position belongs to another cluster ({}) than the one that is connected ({source})",
                position.stream().source
            )));
        }
        let (start, fallback) = self.shape.start(position, &source);
        match (self.open(&start).await, fallback) {
            (Ok(cursor), fallback) => Ok((source, cursor, fallback)),
            (Err(error), Some(fallback)) if is_token_refused(&error) => {
                let cursor = self.open_instead(&fallback, &error).await?;
                Ok((source, cursor, None))
            }
            (Err(error), _) => Err(watch_error(&error, Phase::Opening)),
        }
    }

    async fn open_instead(&self, start: &Start, refusal: &Error) -> Result<RawBatchCursor, WatchError> {
        let refusal = watch_error(refusal, Phase::Opening);
        tracing::debug!(error = ?refusal, "the resume token is refused, so its time is used");
        self.open(start)
            .await
            .map_err(|error| watch_error(&error, Phase::Opening))
    }

    async fn open(&self, start: &Start) -> Result<RawBatchCursor, Error> {
        let command: RawDocumentBuf = self.shape.command(start, &self.settings);
        // The batch size in the command is that of the first reply only.
        self.database
            .run_raw_cursor_command(command)
            .batch_size(self.settings.batch_size)
            .max_time(self.settings.await_time)
            .batch()
            .await
    }

    /// Reads replies until an error, or until nobody wants them; dropping the cursor then closes it on the
    /// server.
    ///
    /// A refused token may only show with the first event that comes after it; until then `fallback` is kept.
    async fn read(&self, mut cursor: RawBatchCursor, mut fallback: Option<Start>) {
        let mut is_first = true;
        loop {
            let reply = match cursor.next().await {
                Some(Ok(batch)) => Ok(Reply::new(batch, is_first)),
                Some(Err(error)) => match fallback.take() {
                    Some(start) if is_token_refused(&error) => {
                        match self.open_instead(&start, &error).await {
                            Ok(opened) => {
                                cursor = opened;
                                is_first = true;
                                continue;
                            }
                            Err(error) => Err(error),
                        }
                    }
                    _ => Err(watch_error(&error, Phase::Reading)),
                },
                None => Err(WatchError::unavailable(
                    "the server closed the change stream, as it does when the database is dropped",
                )),
            };
            is_first = false;
            let is_over = reply.is_err();
            if reply.as_ref().is_ok_and(Reply::has_events) {
                fallback = None;
            }
            if self.replies.send(reply).await.is_err() || is_over || self.replies.is_closed() {
                return;
            }
        }
    }
}

/// Counts an open stream for as long as it lives.
#[derive(Debug)]
pub(super) struct OpenGauge(watch::Sender<usize>);

impl OpenGauge {
    pub(super) fn new(count: &watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count.clone())
    }
}

impl Drop for OpenGauge {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}
