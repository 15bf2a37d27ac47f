//! A bare reader that follows a whole database: the limit of latency, and of what reading costs the server.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bson::rawdoc;
use futures_util::StreamExt;
use mongodb::Client;
use mongodb::raw_batch_cursor::RawBatchCursor;
use serde_json::{Value, json};
use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::task::JoinHandle;

use super::Role;
use super::job::FollowerJob;
use crate::{Failure, clock};

const BATCH_SIZE: u32 = 3000;
const AWAIT_TIME: Duration = Duration::from_millis(500);

/// Notes when each document's insert was read.
pub(super) struct Follower {
    client: Client,
    reading: Option<Reading>,
    arrivals: Arc<Mutex<Vec<(i64, u64)>>>,
}

struct Reading {
    task: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Follower {
    /// Opens the stream and begins to read.
    pub(super) async fn new(job: FollowerJob) -> Result<Self, Failure> {
        let client = Client::with_uri_str(&job.mongodb).await?;
        let mut pipeline = bson::RawArrayBuf::new();
        pipeline.push(rawdoc! { "$changeStream": {} });
        let command = rawdoc! {
            "aggregate": 1,
            "pipeline": pipeline,
            "cursor": { "batchSize": i64::from(BATCH_SIZE) },
            "readConcern": { "level": "majority" },
        };
        let cursor = client
            .database(&job.database)
            .run_raw_cursor_command(command)
            .batch_size(BATCH_SIZE)
            .max_time(AWAIT_TIME)
            .batch()
            .await?;
        let arrivals = Arc::default();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(read(cursor, Arc::clone(&arrivals), stopped));
        Ok(Self {
            client,
            reading: Some(Reading { task, stop }),
            arrivals,
        })
    }

    /// Closes the stream on the server, which would keep it for minutes.
    async fn stop(&mut self) -> Result<(), Failure> {
        let Reading { task, stop } = self.reading.take().ok_or("it was stopped before")?;
        let _ = stop.send(());
        task.await?;
        self.client.clone().shutdown().await;
        Ok(())
    }
}

#[async_trait]
impl Role for Follower {
    async fn answer(&mut self, word: &str) -> Result<Value, Failure> {
        match word {
            "arrivals" => {
                let mut arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(serde_json::to_value(std::mem::take(&mut *arrivals))?)
            }
            "usage" => Ok(json!({ "cpu_seconds": clock::cpu().as_secs_f64() })),
            "stop" => self.stop().await.map(|()| Value::Null),
            other => Err(format!("the reader does not know {other:?}").into()),
        }
    }
}

/// Reads until it is stopped, between two replies: a driver's future is not dropped midway.
async fn read(
    mut cursor: RawBatchCursor,
    arrivals: Arc<Mutex<Vec<(i64, u64)>>>,
    mut stopped: oneshot::Receiver<()>,
) {
    while let (Err(TryRecvError::Empty), Some(Ok(batch))) = (stopped.try_recv(), cursor.next().await) {
        let arrived = u64::try_from(clock::now().as_nanos()).unwrap_or(u64::MAX);
        let Ok(events) = batch.doc_slices() else { return };
        let ids = events.into_iter().filter_map(|event| {
            let event = event.ok()?.as_document()?;
            event.get_document("documentKey").ok()?.get_i64("_id").ok()
        });
        let mut arrivals = arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        arrivals.extend(ids.map(|id| (id, arrived)));
    }
}
