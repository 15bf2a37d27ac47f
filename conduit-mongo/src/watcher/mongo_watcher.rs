//! Watches the collections of one MongoDB database.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bson::doc;
use conduit_core::{ClusterTime, Position, RecordStream, WatchError, WatchTarget, Watcher};
use mongodb::Database;
use tokio::sync::{mpsc, oneshot, watch};

use super::error::{Phase, watch_error};
use super::look_up::LookUp;
use super::open_gauge::OpenGauge;
use super::reader::Reader;
use super::settings::StreamSettings;
use super::shape::StreamShape;
use super::stream::MongoStream;
use super::traffic::Traffic;
use super::transcoder::Transcoder;

/// Watches the collections of one database through change streams.
///
/// Each stream it opens is one change stream on the whole database, matched to the targets' names, because
/// the server reads its oplog once for every change stream. The database's client needs the actions `find`
/// and `changeStream` on the database, and a replica set or sharded cluster of MongoDB 4.4 or newer; targets
/// with old images or key fields need 6.0.
///
/// Where images are not stored, the documents of updates are looked up on the primary, those of one reply together
/// and never older than the change; one that is gone by then leaves its image out.
///
/// A stream of more than 20 collections is matched by the names that are not wanted where those are fewer. This
/// needs the action `listCollections` too, without which the match is on the wanted names, however many. It is
/// renewed when most of what comes is of collections that appeared since; positions from then on have another
/// identity.
///
/// A change that the server cannot send, since its event would be larger than 16 MB, and one that cannot be
/// decoded come as records without images, marked by [`Record::with_fault`](conduit_core::Record::with_fault).
/// Only where even the `_id` is too large for an event (more than 5 MB) the stream fails, as `Invalid`.
///
/// Cloning is cheap; clones count their open streams together. All of it must be used within a tokio runtime.
#[derive(Clone)]
pub struct MongoWatcher {
    database: Database,
    settings: StreamSettings,
    open: watch::Sender<usize>,
}

impl MongoWatcher {
    /// Watches collections of `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self::with_settings(database, StreamSettings::default())
    }

    /// Watches collections of `database`, reading as the settings say.
    #[must_use]
    pub fn with_settings(database: Database, settings: StreamSettings) -> Self {
        Self {
            database,
            settings,
            open: watch::Sender::new(0),
        }
    }

    /// Returns how many streams are open, or about to be closed, on the server.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        *self.open.borrow()
    }

    /// Waits until no stream is open any more: a dropped one takes up to its settings' `await_time`.
    ///
    /// The driver then still sends the last cursor's end to the server; `mongodb::Client::shutdown` waits for
    /// that. Cancel-safe.
    pub async fn closed(&self) {
        // The sender lives as long as the watcher, so waiting cannot fail.
        let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
    }
}

impl fmt::Debug for MongoWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoWatcher")
            .field("database", &self.database.name())
            .field("open_streams", &self.open_streams())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Watcher for MongoWatcher {
    /// Opens a change stream. Cancel-safe: a stream that nobody waits for any more is closed.
    async fn open(
        &self,
        targets: &[WatchTarget],
        start: &Position,
    ) -> Result<Box<dyn RecordStream>, WatchError> {
        let shape = StreamShape::of(targets)?;
        let gauge = Arc::new(OpenGauge::new(&self.open));
        let (replies, mut portions) = mpsc::channel(1);
        let (opened, answer) = oneshot::channel();
        let (database, settings) = (self.database.clone(), self.settings.clone());
        let traffic = Arc::<Traffic>::default();
        // Both tasks end by themselves once the stream is dropped; `closed` waits for them.
        if shape.looks_up() {
            let (sender, receiver) = mpsc::channel(1);
            let whole = std::mem::replace(&mut portions, receiver);
            let look_up = LookUp::new(database.clone(), shape.clone(), whole, sender);
            tokio::spawn(look_up.run(Arc::clone(&gauge)));
        }
        let reader = Reader::new(
            database,
            shape,
            settings,
            replies,
            Arc::clone(&traffic),
            start.clone(),
        );
        tokio::spawn(reader.run(opened, gauge));
        let identity = answer
            .await
            .map_err(|_| WatchError::unavailable("the change stream's reader has ended"))??;
        let transcoder = Transcoder::new(self.database.name(), targets);
        let stream = MongoStream::new(portions, transcoder, traffic, identity, start);
        Ok(Box::new(stream))
    }

    async fn now(&self) -> Result<ClusterTime, WatchError> {
        let database = self.database.clone();
        // A task of its own, since a driver's future must not be dropped midway.
        let ping = tokio::spawn(async move { database.run_command(doc! { "ping": 1 }).await });
        let reply = ping
            .await
            .map_err(|error| WatchError::unavailable("cannot ask for the time").with_source(error))?
            .map_err(|error| watch_error(&error, Phase::AskingTheTime))?;
        let time = reply.get_timestamp("operationTime").map_err(|_| {
            WatchError::invalid(
                "mongodb tells no operation time: it must be a replica set or sharded cluster",
            )
        })?;
        Ok(ClusterTime::new(time.time, time.increment))
    }
}
