//! What a record does to the index.

use bytes::Bytes;
use conduit_core::{Record, RecordType, SinkError};

use super::document_id::DocumentId;
use super::fields::fields;

/// The index's primary key: the field of a document that holds its [`DocumentId`].
pub const PRIMARY_KEY: &str = "_conduit_id";

/// One document to be put or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Write {
    pub(super) id: DocumentId,
    pub(super) change: Change,
}

/// What is done to the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The whole document is replaced by this one.
    Put(Document),
    /// It is deleted.
    Delete,
}

/// A document in two parts, so that a record's image is copied only when it is sent.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Document {
    /// The beginning of the object: the id, and what the image lacks of the keys.
    head: String,
    /// The rest of it: the image without its opening brace.
    rest: Bytes,
}

impl Write {
    /// Makes what the record does to the index; `None` if that is nothing: the document that a MODIFY found had gone, so
    /// that its REMOVE follows.
    ///
    /// # Errors
    /// If the record can never be a document.
    pub(super) fn of(record: &Record) -> Result<Option<Self>, SinkError> {
        let Some(id) = DocumentId::of(record.keys()) else {
            return Err(SinkError::undeliverable(
                "the record's keys are not a JSON object with fields",
            ));
        };
        let change = match (record.record_type(), record.new_image()) {
            (RecordType::Remove, _) => Change::Delete,
            (_, Some(image)) => Change::Put(Document::of(&id, record, image)?),
            (RecordType::Modify, None) => return Ok(None),
            (RecordType::Insert, None) => {
                return Err(SinkError::undeliverable(
                    "the record is an INSERT without newImage",
                ));
            }
        };
        Ok(Some(Self { id, change }))
    }

    /// Returns how many bytes it takes in a request.
    pub(super) fn size(&self) -> usize {
        match &self.change {
            Change::Put(document) => document.head.len() + document.rest.len() + 1,
            Change::Delete => self.id.as_str().len() + 3,
        }
    }
}

impl Document {
    fn of(id: &DocumentId, record: &Record, image: &Bytes) -> Result<Self, SinkError> {
        let cannot =
            |what: &str| SinkError::undeliverable(format!("the record's {what} is not a JSON object"));
        let own = fields(image).map_err(|_| cannot("newImage"))?;
        let keys = fields(record.keys()).map_err(|_| cannot("keys"))?;
        let has = |name: &str| own.iter().any(|(own, _)| own == name);
        if has(PRIMARY_KEY) {
            return Err(SinkError::undeliverable(format!(
                "the document has a field {PRIMARY_KEY}, which is the index's primary key"
            )));
        }
        let mut head = format!("{{\"{PRIMARY_KEY}\":\"{id}\"");
        for (name, value) in keys.iter().filter(|(name, _)| !has(name)) {
            head.push(',');
            head.push_str(&serde_json::Value::from(&**name).to_string());
            head.push(':');
            head.push_str(value.get());
        }
        if !own.is_empty() {
            head.push(',');
        }
        // An object begins with its brace, but for white space.
        let brace = image.iter().position(|byte| *byte == b'{').unwrap_or_default();
        let rest = image.slice(brace + 1..);
        Ok(Self { head, rest })
    }

    fn push_to(&self, body: &mut Vec<u8>) {
        body.extend_from_slice(self.head.as_bytes());
        body.extend_from_slice(&self.rest);
    }
}

/// Shows no contents.
impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.head.len() + self.rest.len())
    }
}

/// Makes the body of a request that does all of `writes`, which are all of one kind: an array of documents or of ids.
pub(super) fn body<'a>(writes: impl Iterator<Item = &'a Write> + Clone) -> Bytes {
    let size: usize = writes.clone().map(|write| write.size() + 1).sum();
    let mut body = Vec::with_capacity(size + 2);
    for write in writes {
        body.push(if body.is_empty() { b'[' } else { b',' });
        match &write.change {
            Change::Put(document) => document.push_to(&mut body),
            Change::Delete => {
                body.push(b'"');
                body.extend_from_slice(write.id.as_str().as_bytes());
                body.push(b'"');
            }
        }
    }
    body.push(b']');
    Bytes::from(body)
}

#[cfg(test)]
mod tests {
    use conduit_core::{
        ClusterTime, CollectionName, EventId, RecordKey, RecordParts, Sequence, SinkErrorKind, WallTime,
    };

    use super::*;

    fn record(record_type: RecordType, keys: &str, new_image: Option<&str>) -> Record {
        Record::new(RecordParts {
            event_id: EventId::new("e1"),
            collection: CollectionName::new("users").unwrap(),
            record_type,
            key: RecordKey::of(keys.as_bytes()),
            keys: keys.as_bytes(),
            new_image: new_image.map(str::as_bytes),
            old_image: Some(br#"{"_id":1,"old":true}"#),
            timestamp: WallTime::from_millis(1),
            time: ClusterTime::new(1, 1),
            sequence: Sequence::whole("82AB"),
        })
    }

    fn sent(record_type: RecordType, keys: &str, new_image: Option<&str>) -> String {
        let write = Write::of(&record(record_type, keys, new_image)).unwrap().unwrap();
        String::from_utf8(body([&write].into_iter()).to_vec()).unwrap()
    }

    #[test]
    fn inserts_and_updates_put_the_whole_document_with_its_id() {
        for record_type in [RecordType::Insert, RecordType::Modify] {
            assert_eq!(
                sent(
                    record_type,
                    r#"{"_id":1}"#,
                    Some(r#"{"_id":1,"a":1.0,"b":{"_conduit_id":2}}"#)
                ),
                r#"[{"_conduit_id":"_v1","_id":1,"a":1.0,"b":{"_conduit_id":2}}]"#
            );
        }
    }

    #[test]
    fn a_remove_deletes_by_id() {
        assert_eq!(sent(RecordType::Remove, r#"{"_id":"a b"}"#, None), r#"["a_20b"]"#);
    }

    #[test]
    fn keys_that_the_image_lacks_are_kept_beside_it() {
        assert_eq!(
            sent(RecordType::Insert, r#"{"a\"":1,"b":"2"}"#, Some(r#" {"b":"3"} "#)),
            r#"[{"_conduit_id":"_ka_22_v1_kb_s2","a\"":1,"b":"3"} ]"#
        );
        assert_eq!(
            sent(RecordType::Insert, r#"{"_id":7}"#, Some("{ }")),
            r#"[{"_conduit_id":"_v7","_id":7 }]"#
        );
    }

    #[test]
    fn an_update_whose_document_has_gone_does_nothing() {
        let update = record(RecordType::Modify, r#"{"_id":1}"#, None);
        assert_eq!(Write::of(&update).unwrap(), None);
    }

    #[test]
    fn what_can_never_be_a_document_says_why() {
        for (record_type, keys, image, reason) in [
            (
                RecordType::Insert,
                r#"{"_id":1}"#,
                None,
                "the record is an INSERT without newImage",
            ),
            (
                RecordType::Insert,
                r#"{"_id":1}"#,
                Some("[]"),
                "the record's newImage is not a JSON object",
            ),
            (
                RecordType::Remove,
                "{}",
                None,
                "the record's keys are not a JSON object with fields",
            ),
            (
                RecordType::Modify,
                r#"{"_id":1}"#,
                Some(r#"{"_id":1,"\u005fconduit_id":"mine"}"#),
                "the document has a field _conduit_id, which is the index's primary key",
            ),
        ] {
            let error = Write::of(&record(record_type, keys, image)).unwrap_err();
            assert_eq!(
                (error.kind(), error.message()),
                (SinkErrorKind::Undeliverable, reason)
            );
        }
    }
}
