//! The formats of a record.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use conduit_core::Record;
use serde::{Deserialize, Serialize};

use super::cloud_event;

/// What a record looks like at its destination.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PayloadFormat {
    /// The record as it is.
    #[default]
    Conduit,
    /// A CloudEvent 1.0 in structured JSON mode, with the record as its `data`:
    ///
    /// | attribute | value |
    /// |---|---|
    /// | `specversion` | `1.0` |
    /// | `id` | the record's `eventID` |
    /// | `source` | `conduit/<collection>`, characters that a URI does not have as `%XX` |
    /// | `type` | `io.github.conduit-cdc.record.insert`, `….modify` or `….remove` |
    /// | `time` | the record's `timestamp` in RFC 3339, UTC, milliseconds; left out beyond the years 0 to 9999 |
    /// | `datacontenttype` | `application/json` |
    /// | `sequence` | the record's `sequenceNumber`, by the extension of that name: sorts as text |
    ///
    /// There is no `subject`: the key is in the data, and intermediaries log attributes.
    CloudEvents,
}

impl PayloadFormat {
    /// Returns the name in a configuration: `conduit` or `cloudevents`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Conduit => "conduit",
            Self::CloudEvents => "cloudevents",
        }
    }

    /// Encodes a record: one JSON object, UTF-8. The record's own bytes are never parsed; as they are, they are shared.
    #[must_use]
    pub fn encode(self, record: &Record) -> Bytes {
        match self {
            Self::Conduit => record.json().clone(),
            Self::CloudEvents => cloud_event::encode(record),
        }
    }

    /// Returns the media type of one encoded record.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Conduit => "application/json",
            Self::CloudEvents => "application/cloudevents+json",
        }
    }

    /// Returns the media type of a JSON array of encoded records.
    #[must_use]
    pub const fn batch_content_type(self) -> &'static str {
        match self {
            Self::Conduit => "application/json",
            Self::CloudEvents => "application/cloudevents-batch+json",
        }
    }
}

impl fmt::Display for PayloadFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PayloadFormat {
    type Err = &'static str;

    /// Reads `conduit` or `cloudevents`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "conduit" => Ok(Self::Conduit),
            "cloudevents" => Ok(Self::CloudEvents),
            _ => Err("must be conduit or cloudevents"),
        }
    }
}
