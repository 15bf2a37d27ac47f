//! Writes at a steady rate, and notes when each write was acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bson::{Document, doc};
use futures_util::future;
use mongodb::{Client, Collection};
use serde_json::Value;

use super::Role;
use super::job::WriterJob;
use crate::document::document;
use crate::{Failure, clock};

/// How many writes may be under way at once, so that a slow one does not delay the next.
const IN_FLIGHT: usize = 16;

/// Inserts documents, each at its own moment.
pub(super) struct Writer {
    job: WriterJob,
    collections: Vec<Collection<Document>>,
}

impl Writer {
    pub(super) async fn new(job: WriterJob) -> Result<Self, Failure> {
        let database = Client::with_uri_str(&job.mongodb).await?.database(&job.database);
        database.run_command(doc! { "ping": 1 }).await?;
        let collections = job
            .collections
            .iter()
            .map(|name| database.collection(name))
            .collect();
        Ok(Self { job, collections })
    }

    /// The number of each document, and when its write was acknowledged, in nanoseconds of [`clock::now`].
    async fn write(&self) -> Result<Vec<(i64, u64)>, Failure> {
        let (began, next) = (clock::now(), Arc::new(AtomicU64::new(0)));
        let tasks = (0..IN_FLIGHT).map(|_| {
            let (job, collections, next) = (self.job.clone(), self.collections.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                let mut written = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= job.documents {
                        return Ok::<_, mongodb::error::Error>(written);
                    }
                    let due = began + Duration::from_micros(number * 1_000_000 / job.a_second);
                    tokio::time::sleep(due.saturating_sub(clock::now())).await;
                    let id = job.first + i64::try_from(number).unwrap_or_default();
                    let index = usize::try_from(number).unwrap_or_default() % collections.len();
                    collections[index].insert_one(document(id)).await?;
                    let acknowledged = u64::try_from(clock::now().as_nanos()).unwrap_or(u64::MAX);
                    written.push((id, acknowledged));
                }
            })
        });
        let mut written = Vec::new();
        for outcome in future::join_all(tasks).await {
            written.extend(outcome??);
        }
        Ok(written)
    }
}

#[async_trait]
impl Role for Writer {
    async fn answer(&mut self, word: &str) -> Result<Value, Failure> {
        match word {
            "write" => Ok(serde_json::to_value(self.write().await?)?),
            other => Err(format!("the writer does not know {other:?}").into()),
        }
    }
}
