//! A waiting record without its contents: what never changes of it, and below, in a line of its own, its tries.
//!
//! The contents are stored beside it as the record's own JSON.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use conduit_core::{
    ClusterTime, ParkedRecord, Record, RecordKey, RetryId, StateError, WaitingRecord, WaitingRef, WallTime,
};

use super::{FORMAT_VERSION, read};

/// What never changes of a waiting record.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    v: u32,
    key: RecordKey,
    time: ClusterTime,
    size: usize,
    timestamp: WallTime,
    /// Why it cannot be sent anywhere, if it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

/// What another attempt changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Tries {
    due: Option<WallTime>,
    attempts: u32,
    first_attempt: Option<WallTime>,
    last_attempt: Option<WallTime>,
    last_error: Option<String>,
}

/// A stored waiting record without its contents.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    entry: Entry,
    tries: Tries,
}

impl Waiting {
    /// Writes the first line of a record that begins to wait.
    pub(crate) fn entry(parked: &ParkedRecord, record: &Record) -> String {
        let (key, time, timestamp) = (parked.key, record.time(), record.timestamp());
        super::write(&Entry {
            v: FORMAT_VERSION,
            key,
            time,
            size: record.size(),
            timestamp,
            fault: record.fault().map(str::to_owned),
        })
    }

    /// Writes the second line.
    pub(crate) fn tries(parked: &ParkedRecord) -> String {
        super::write(&Tries {
            due: parked.due,
            attempts: parked.attempts,
            first_attempt: parked.first_attempt,
            last_attempt: parked.last_attempt,
            last_error: parked.last_error.clone(),
        })
    }

    /// The first line of a stored value.
    pub(crate) fn first_line(bytes: &[u8]) -> &[u8] {
        bytes.split(|byte| *byte == b'\n').next().unwrap_or_default()
    }

    /// Reads both lines.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, StateError> {
        let entry = Self::first_line(bytes);
        let tries = &bytes[entry.len()..];
        Ok(Self {
            entry: read(entry, "a waiting record")?,
            tries: read(tries, "the attempts of a waiting record")?,
        })
    }

    /// The source's logical time of its change.
    #[cfg(feature = "embedded")]
    pub(crate) fn time(&self) -> ClusterTime {
        self.entry.time
    }

    /// What is told of it when a subscription is loaded.
    pub(crate) fn reference(&self, id: RetryId) -> WaitingRef {
        let Entry {
            key, size, timestamp, ..
        } = self.entry;
        WaitingRef {
            id,
            key,
            due: self.tries.due,
            size,
            timestamp,
        }
    }

    /// The record with its contents.
    pub(crate) fn with_contents(&self, id: RetryId, json: Bytes) -> Result<WaitingRecord, StateError> {
        let mut record = Record::from_json(json, self.entry.key, self.entry.time)
            .map_err(|_| StateError::corrupt("the contents of a waiting record are not a record"))?;
        if let Some(fault) = &self.entry.fault {
            record = record.with_fault(fault.as_str());
        }
        let Tries {
            attempts,
            first_attempt,
            ..
        } = self.tries;
        Ok(WaitingRecord {
            id,
            record: Arc::new(record),
            attempts,
            first_attempt,
        })
    }
}
