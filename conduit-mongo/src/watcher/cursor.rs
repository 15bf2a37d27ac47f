//! A change stream's cursor on the server.

use std::sync::Arc;

use bson::RawDocumentBuf;
use conduit_core::StreamIdentity;
use futures_util::StreamExt;
use mongodb::Database;
use mongodb::error::Error;
use mongodb::raw_batch_cursor::RawBatchCursor;

use super::demand::Demand;
use super::reply::Reply;
use super::settings::StreamSettings;
use super::shape::StreamShape;
use super::start::Start;

/// An open cursor. Dropping it closes it on the server.
pub(super) struct EventCursor {
    cursor: RawBatchCursor,
    demand: Demand,
    identity: Arc<StreamIdentity>,
    is_first: bool,
}

impl EventCursor {
    pub(super) async fn open(
        database: &Database,
        shape: &StreamShape,
        start: &Start,
        demand: Demand,
        identity: Arc<StreamIdentity>,
        settings: &StreamSettings,
    ) -> Result<Self, Error> {
        let command: RawDocumentBuf = shape.command(start, demand);
        // The batch size in the command is that of the first reply only.
        let cursor = database
            .run_raw_cursor_command(command)
            .batch_size(demand.batch_size)
            .max_time(settings.await_time)
            .batch()
            .await?;
        Ok(Self {
            cursor,
            demand,
            identity,
            is_first: true,
        })
    }

    /// The next reply, or none once the server has closed the stream.
    pub(super) async fn next(&mut self) -> Option<Result<Reply, Error>> {
        let batch = self.cursor.next().await?;
        let is_first = std::mem::replace(&mut self.is_first, false);
        Some(batch.map(|batch| Reply::new(batch, is_first, self.demand, Arc::clone(&self.identity))))
    }
}
