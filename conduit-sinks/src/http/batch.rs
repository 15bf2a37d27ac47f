//! Several records in one request.

use std::time::Duration;

use bytes::Bytes;
use conduit_core::RecordBatch;
use xxhash_rust::xxh3::Xxh3;

use crate::ConfigFault;
use crate::format::PayloadFormat;

/// Most records of a request that can be asked for.
pub const MAX_BATCH_RECORDS: usize = 1000;
/// Most records of a request if the configuration does not say.
pub const DEFAULT_BATCH_RECORDS: usize = 100;
/// Least that the largest request can be limited to, in bytes.
pub const MIN_BATCH_BYTES: usize = 1024;
/// Most bytes of a request that can be asked for.
pub const MAX_BATCH_BYTES: usize = 64 * 1024 * 1024;
/// Most bytes of a request if the configuration does not say: room for any document that MongoDB stores.
pub const DEFAULT_BATCH_BYTES: usize = 16 * 1024 * 1024;
/// Longest wait for a request to fill that can be asked for.
pub const MAX_BATCH_WAIT: Duration = Duration::from_secs(60);
/// Longest wait for a request to fill if the configuration does not say.
pub const DEFAULT_BATCH_WAIT: Duration = Duration::from_millis(100);

/// The least that a record takes, in bytes: its field names and the shortest values.
const LEAST_RECORD: usize = 128;

/// How many records go into one request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct HttpBatch {
    /// Most records of a request, 1 to 1000. Default 100.
    pub max_records: usize,
    /// Most bytes of a request's body, 1 KiB to 64 MiB. Default 16 MiB. A record that is larger can never be sent: it is a
    /// dead letter at once. With CloudEvents the envelopes, about 300 bytes each, come on top.
    pub max_bytes: usize,
    /// How long a record may wait for a request to fill, at most a minute. Default 100 milliseconds. The sink sends what it
    /// is given at once; the waiting is for who gathers the records.
    pub max_wait: Duration,
}

impl HttpBatch {
    /// Returns how many bytes of record JSON fit into a request with the brackets and commas around them.
    pub(super) fn record_bytes(&self) -> usize {
        let commas = self.max_records.min(self.max_bytes / LEAST_RECORD);
        self.max_bytes.saturating_sub(commas + 1)
    }

    pub(super) fn faults(&self) -> Vec<ConfigFault> {
        let mut faults = Vec::new();
        if !(1..=MAX_BATCH_RECORDS).contains(&self.max_records) {
            let message = format!("must be from 1 to {MAX_BATCH_RECORDS}");
            faults.push(ConfigFault::new("batch.max_records", message));
        }
        if !(MIN_BATCH_BYTES..=MAX_BATCH_BYTES).contains(&self.max_bytes) {
            let message = format!("must be from {MIN_BATCH_BYTES} to {MAX_BATCH_BYTES}");
            faults.push(ConfigFault::new("batch.max_bytes", message));
        }
        if self.max_wait > MAX_BATCH_WAIT {
            let message = format!("must be at most {}s", MAX_BATCH_WAIT.as_secs());
            faults.push(ConfigFault::new("batch.max_wait", message));
        }
        faults
    }
}

impl Default for HttpBatch {
    fn default() -> Self {
        Self {
            max_records: DEFAULT_BATCH_RECORDS,
            max_bytes: DEFAULT_BATCH_BYTES,
            max_wait: DEFAULT_BATCH_WAIT,
        }
    }
}

/// Makes the body: a JSON array of the records, each as it would be alone.
pub(super) fn body(batch: &RecordBatch, format: PayloadFormat) -> Bytes {
    let size: usize = batch.records().iter().map(|record| record.size() + 1).sum();
    let mut json = Vec::with_capacity(size + 1);
    for record in batch.records() {
        json.push(if json.is_empty() { b'[' } else { b',' });
        json.extend_from_slice(&format.encode(record));
    }
    json.push(b']');
    json.into()
}

/// Names the batch: the same for the same records in the same order, whoever sends them and when.
pub(super) fn id(batch: &RecordBatch) -> String {
    let mut hasher = Xxh3::new();
    for record in batch.records() {
        let id = record.event_id().as_str();
        // With its length, so that no two lists of ids read the same.
        hasher.update(&(id.len() as u64).to_be_bytes());
        hasher.update(id.as_bytes());
    }
    format!("batch-{:032x}", hasher.digest128())
}
