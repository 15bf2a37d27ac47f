//! One event of a change stream.

use conduit_core::{ClusterTime, WallTime};

use super::reply::token_data;
use crate::document::{DecodeError, Elements, find, kind};

/// What an event says has happened. Total: what is not known is [`Operation::Other`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operation {
    Insert,
    Update,
    Replace,
    Delete,
    /// A drop, a rename, an invalidation, or something newer than this program: it only moves the position.
    Other,
}

impl Operation {
    fn of(name: &[u8]) -> Self {
        match name {
            b"insert" => Self::Insert,
            b"update" => Self::Update,
            b"replace" => Self::Replace,
            b"delete" => Self::Delete,
            _ => Self::Other,
        }
    }
}

/// The parts of an event, where they lie in the reply.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event<'a> {
    pub(super) token: &'a str,
    pub(super) time: ClusterTime,
    pub(super) operation: Operation,
    pub(super) collection: &'a [u8],
    pub(super) document_key: Option<&'a [u8]>,
    pub(super) new_image: Option<&'a [u8]>,
    pub(super) old_image: Option<&'a [u8]>,
    wall_time: Option<i64>,
}

impl<'a> Event<'a> {
    /// Reads an event in one pass over its fields.
    pub(super) fn parse(document: &'a [u8]) -> Result<Self, DecodeError> {
        let mut token = None;
        let mut time = None;
        let mut event = Event {
            token: "",
            time: ClusterTime::default(),
            operation: Operation::Other,
            collection: b"",
            document_key: None,
            new_image: None,
            old_image: None,
            wall_time: None,
        };
        for element in Elements::new(document)? {
            let element = element?;
            match (element.name, element.kind) {
                (b"_id", kind::DOCUMENT) => token = token_data(element.value)?,
                (b"operationType", kind::STRING) => event.operation = Operation::of(element.text()?),
                (b"clusterTime", kind::TIMESTAMP) => time = Some(element.timestamp()?),
                (b"wallTime", kind::DATE) => event.wall_time = Some(element.int64()?),
                (b"ns", kind::DOCUMENT) => {
                    if let Some(name) = find(element.value, b"coll")?
                        && name.kind == kind::STRING
                    {
                        event.collection = name.text()?;
                    }
                }
                (b"documentKey", kind::DOCUMENT) => event.document_key = Some(element.value),
                (b"fullDocument", kind::DOCUMENT) => event.new_image = Some(element.value),
                (b"fullDocumentBeforeChange", kind::DOCUMENT) => event.old_image = Some(element.value),
                _ => {}
            }
        }
        event.token = token.ok_or(DecodeError::new("the event has no resume token"))?;
        let (t, i) = time.ok_or(DecodeError::new("the event has no cluster time"))?;
        event.time = ClusterTime::new(t, i);
        Ok(event)
    }

    /// The event with the image that was looked up for it, if one was.
    pub(super) fn with_image(self, looked_up: Option<&'a [u8]>) -> Self {
        Self {
            new_image: looked_up.or(self.new_image),
            ..self
        }
    }

    /// The event as if neither image had been there.
    pub(super) fn without_images(&self) -> Self {
        Self {
            new_image: None,
            old_image: None,
            ..*self
        }
    }

    /// When the change happened; before MongoDB 6.0 known to the second.
    pub(super) fn timestamp(&self) -> WallTime {
        self.wall_time
            .map_or_else(|| self.time.wall_time(), WallTime::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use bson::{Timestamp, rawdoc};

    use super::*;

    #[test]
    fn an_unknown_operation_is_an_event_too() {
        let document = rawdoc! {
            "_id": { "_data": "82AB" },
            "operationType": "teleport",
            "clusterTime": Timestamp { time: 7, increment: 3 },
        };
        let event = Event::parse(document.as_bytes()).unwrap();
        assert_eq!(event.operation, Operation::Other);
        assert_eq!((event.token, event.time), ("82AB", ClusterTime::new(7, 3)));
        assert_eq!(event.timestamp(), WallTime::from_millis(7000));
    }

    #[test]
    fn an_event_without_a_token_is_an_error() {
        let document =
            rawdoc! { "operationType": "insert", "clusterTime": Timestamp { time: 7, increment: 3 } };
        assert!(Event::parse(document.as_bytes()).is_err());
    }
}
