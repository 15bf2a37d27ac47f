//! What is kept of a dead letter beside its JSON, and the letter put together again of both.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use conduit_core::{
    ClusterTime, DeadLetter, DestinationId, Record, RecordKey, Sequence, StateError, StoredLetter,
};

use super::{FORMAT_VERSION, read, write};

/// What a dead letter's JSON does not hold, and what is asked of it without reading that.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LetterEntry {
    v: u32,
    /// The destination that did not take the record.
    pub(crate) destination: DestinationId,
    /// The record's key.
    pub(crate) key: RecordKey,
    /// The record's place.
    pub(crate) sequence: Sequence,
    /// The source's logical time of the record's change.
    pub(crate) time: ClusterTime,
    /// Why the record cannot be sent anywhere, if it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

impl LetterEntry {
    /// The entry of a letter.
    pub(crate) fn of(destination: &DestinationId, letter: &DeadLetter) -> Self {
        let record = &letter.record;
        Self {
            v: FORMAT_VERSION,
            destination: destination.clone(),
            key: record.key(),
            sequence: record.sequence().clone(),
            time: record.time(),
            fault: record.fault().map(str::to_owned),
        }
    }

    /// Writes it.
    pub(crate) fn text(&self) -> String {
        write(self)
    }

    /// Reads it.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, StateError> {
        read(bytes, "the entry of a dead letter")
    }

    /// The letter whose entry this is, of its JSON.
    pub(crate) fn letter(self, json: Bytes) -> Result<StoredLetter, StateError> {
        #[derive(Deserialize)]
        struct Letter<'a> {
            id: u64,
            #[serde(borrow)]
            record: &'a RawValue,
            stale: bool,
        }
        let unreadable = |_| StateError::corrupt("a dead letter cannot be read");
        let Letter { id, record, stale } = serde_json::from_slice(&json).map_err(unreadable)?;
        let record = json.slice_ref(record.get().as_bytes());
        let mut record = Record::from_json(record, self.key, self.time).map_err(unreadable)?;
        if let Some(fault) = self.fault {
            record = record.with_fault(fault);
        }
        Ok(StoredLetter {
            id,
            destination: self.destination,
            record: Arc::new(record),
            stale,
        })
    }
}

/// The JSON of a letter that turns stale.
#[cfg(feature = "embedded")]
pub(crate) fn stale_letter(json: &[u8]) -> Vec<u8> {
    let head = json.strip_suffix(b"false}").unwrap_or(json);
    let mut stale = head.to_vec();
    if head.len() < json.len() {
        stale.extend_from_slice(b"true}");
    }
    stale
}
