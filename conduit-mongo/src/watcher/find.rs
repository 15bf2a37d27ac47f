//! Finds documents by their `_id`s.

use std::sync::atomic::{AtomicUsize, Ordering};

use bson::{RawArrayBuf, RawDocument, RawDocumentBuf, Timestamp, rawdoc};
use conduit_core::ClusterTime;
use futures_util::StreamExt;
use mongodb::Database;
use mongodb::error::Error;
use mongodb::raw_batch_cursor::RawBatch;

use crate::server_error::{code, code_of};

/// So many bytes of documents are found at a time, and what of each find was on its way when they were.
pub(super) const MAX_BYTES: usize = 32 << 20;

/// How often a find is begun while the collection is dropped or renamed under it.
const ATTEMPTS: usize = 3;

/// Documents of one collection to be found.
#[derive(Debug)]
pub(super) struct Find {
    collection: String,
    ids: RawArrayBuf,
    count: usize,
}

/// How many bytes several finds may bring together.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    spent: AtomicUsize,
}

/// What a find brought.
#[derive(Debug)]
pub(super) struct Findings {
    pub(super) batches: Vec<RawBatch>,
    /// Whether it is all there is, and not as much as was allowed.
    pub(super) is_all: bool,
}

impl Find {
    pub(super) fn new(collection: String) -> Self {
        Self {
            collection,
            ids: RawArrayBuf::new(),
            count: 0,
        }
    }

    /// Asks for the document of a key, too.
    pub(super) fn add(&mut self, document_key: &[u8]) {
        let id = RawDocument::from_bytes(document_key).map(|key| key.get("_id"));
        // Without an `_id` there is no record either.
        if let Ok(Ok(Some(id))) = id {
            self.ids.push(id);
            self.count += 1;
        }
    }

    /// Finds the documents as they are at `time` or later, on the primary.
    ///
    /// Must not be dropped before it ends, as no future of the driver may.
    pub(super) async fn run(
        self,
        database: &Database,
        time: ClusterTime,
        allowance: &Allowance,
    ) -> Result<Findings, Error> {
        let mut attempt = 1;
        loop {
            match self.attempt(database, time, allowance).await {
                Err(error) if attempt < ATTEMPTS && code_of(&error) == Some(code::QUERY_PLAN_KILLED) => {
                    attempt += 1;
                }
                Err(error) if code_of(&error) == Some(code::NAMESPACE_NOT_FOUND) => {
                    return Ok(Findings {
                        batches: Vec::new(),
                        is_all: true,
                    });
                }
                other => return other,
            }
        }
    }

    async fn attempt(
        &self,
        database: &Database,
        time: ClusterTime,
        allowance: &Allowance,
    ) -> Result<Findings, Error> {
        let mut batches = Vec::new();
        if allowance.is_spent() {
            return Ok(Findings {
                batches,
                is_all: false,
            });
        }
        let mut cursor = database
            .run_raw_cursor_command(self.command(time))
            .batch()
            .await?;
        while let Some(batch) = cursor.next().await {
            let batch = batch?;
            allowance.spend(batch.as_raw_document().as_bytes().len());
            let is_last = is_last(&batch);
            batches.push(batch);
            // The document of a single `_id` is always brought.
            if !is_last && self.count > 1 && allowance.is_spent() {
                return Ok(Findings {
                    batches,
                    is_all: false,
                });
            }
        }
        Ok(Findings {
            batches,
            is_all: true,
        })
    }

    fn command(&self, time: ClusterTime) -> RawDocumentBuf {
        let time = Timestamp {
            time: time.t,
            increment: time.i,
        };
        rawdoc! {
            "find": self.collection.as_str(),
            "filter": { "_id": { "$in": self.ids.clone() } },
            // One more than there are, so that the first reply tells that there are no others.
            "batchSize": i64::try_from(self.count).unwrap_or(i64::MAX).saturating_add(1),
            "readConcern": { "level": "majority", "afterClusterTime": time },
        }
    }
}

impl Allowance {
    /// The bytes that were brought.
    pub(super) fn spent(&self) -> usize {
        self.spent.load(Ordering::Relaxed)
    }

    fn is_spent(&self) -> bool {
        self.spent() >= MAX_BYTES
    }

    fn spend(&self, bytes: usize) {
        self.spent.fetch_add(bytes, Ordering::Relaxed);
    }
}

fn is_last(batch: &RawBatch) -> bool {
    let cursor = batch.as_raw_document().get_document("cursor");
    cursor
        .and_then(|cursor| cursor.get_i64("id"))
        .is_ok_and(|id| id == 0)
}
