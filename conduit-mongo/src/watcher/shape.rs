//! The shape of a change stream: which collections, and which images.

use bson::{RawArrayBuf, RawDocumentBuf, Timestamp, rawdoc};
use conduit_core::{ClusterTime, Images, KeyHasher, Position, WatchError, WatchTarget};

use super::settings::StreamSettings;

/// Which images the server is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    /// The document as it is when an update is read.
    LookedUp,
    /// Both images as they were at the change, where they are stored.
    Stored,
}

/// Where a change stream is opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Start {
    /// After the change, or the moment, of a resume token.
    AfterToken(String),
    /// At the first change of this time.
    AtTime(ClusterTime),
}

/// What the server is asked to watch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct StreamShape {
    mode: Mode,
    names: Vec<String>,
}

impl StreamShape {
    /// The shape that the targets need.
    ///
    /// Targets that need stored images and targets that do not take two streams: a stored image is never
    /// replaced by a looked-up one.
    pub(super) fn of(targets: &[WatchTarget]) -> Result<Self, WatchError> {
        let mode = |target: &WatchTarget| {
            if target.images == Images::NewAndOld || !target.key_fields.is_empty() {
                Mode::Stored
            } else {
                Mode::LookedUp
            }
        };
        let first = targets.first().map(mode);
        let mode = match first {
            Some(first) if targets.iter().all(|target| mode(target) == first) => first,
            Some(_) => {
                return Err(WatchError::invalid(
                    "collections with stored images and with looked-up images cannot share a change stream",
                ));
            }
            None => return Err(WatchError::invalid("a change stream needs a collection to watch")),
        };
        let mut names: Vec<_> = targets
            .iter()
            .map(|target| target.collection.as_str().to_owned())
            .collect();
        names.sort_unstable();
        names.dedup();
        Ok(Self { mode, names })
    }

    /// A fingerprint: a resume token is only sure to be found by a stream of the same shape.
    pub(super) fn fingerprint(&self) -> String {
        let mut hasher = KeyHasher::default();
        hasher.write(match self.mode {
            Mode::LookedUp => b"looked up",
            Mode::Stored => b"stored",
        });
        for name in &self.names {
            hasher.write(b"\0");
            hasher.write(name.as_bytes());
        }
        hasher.finish().to_string()
    }

    /// Where to open for what comes after `position`, and where instead if that is refused.
    pub(super) fn start(&self, position: &Position, source: &str) -> (Start, Option<Start>) {
        let at_time = Start::AtTime(position.time());
        let known = &**position.stream();
        match position.token() {
            Some(token) if known.options == self.fingerprint() && known.source == source => {
                (Start::AfterToken(token.to_owned()), Some(at_time))
            }
            _ => (at_time, None),
        }
    }

    /// The command that opens the stream.
    ///
    /// The match is on `ns.coll` alone, which the server checks at the lowest cost. Drops and renames of the
    /// collections pass it; whatever does not, moves the token after each reply all the same.
    pub(super) fn command(&self, start: &Start, settings: &StreamSettings) -> RawDocumentBuf {
        let mut stage = match self.mode {
            Mode::LookedUp => rawdoc! { "fullDocument": "updateLookup" },
            Mode::Stored => {
                rawdoc! { "fullDocument": "whenAvailable", "fullDocumentBeforeChange": "whenAvailable" }
            }
        };
        match start {
            // Unlike resumeAfter, startAfter also goes on after an invalidation (the database was dropped).
            Start::AfterToken(token) => {
                stage.append(
                    bson::raw::cstr!("startAfter"),
                    rawdoc! { "_data": token.as_str() },
                );
            }
            Start::AtTime(time) => stage.append(
                bson::raw::cstr!("startAtOperationTime"),
                Timestamp {
                    time: time.t,
                    increment: time.i,
                },
            ),
        }
        let names: RawArrayBuf = self.names.iter().map(String::as_str).collect();
        let filter = rawdoc! { "ns.coll": { "$in": names } };
        rawdoc! {
            "aggregate": 1,
            "pipeline": [ { "$changeStream": stage }, { "$match": filter } ],
            "cursor": { "batchSize": i64::from(settings.batch_size) },
            "readConcern": { "level": "majority" },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use conduit_core::{CollectionName, StreamIdentity};

    use super::*;

    fn target(name: &str) -> WatchTarget {
        WatchTarget::new(CollectionName::new(name).unwrap())
    }

    fn with_old_images(name: &str) -> WatchTarget {
        WatchTarget {
            images: Images::NewAndOld,
            ..target(name)
        }
    }

    #[test]
    fn the_fingerprint_is_of_the_names_and_the_images_whatever_their_order() {
        let shape = |targets: &[WatchTarget]| StreamShape::of(targets).unwrap().fingerprint();
        assert_eq!(
            shape(&[target("a"), target("b")]),
            shape(&[target("b"), target("a"), target("a")])
        );
        assert_ne!(shape(&[target("a")]), shape(&[target("b")]));
        assert_ne!(shape(&[target("a")]), shape(&[with_old_images("a")]));
    }

    #[test]
    fn stored_and_looked_up_images_do_not_mix() {
        assert!(StreamShape::of(&[target("a"), with_old_images("b")]).is_err());
        assert!(StreamShape::of(&[]).is_err());
    }

    #[test]
    fn a_token_is_used_only_by_the_same_shape_on_the_same_cluster() {
        let shape = StreamShape::of(&[target("a")]).unwrap();
        let position = |source: &str, options: String| {
            let identity = StreamIdentity {
                source: source.into(),
                options,
            };
            Position::after(ClusterTime::new(5, 1), "82", Arc::new(identity))
        };
        let at_time = Start::AtTime(ClusterTime::new(5, 1));
        let same = position("id:a", shape.fingerprint());
        assert_eq!(
            shape.start(&same, "id:a"),
            (Start::AfterToken("82".into()), Some(at_time.clone()))
        );
        assert_eq!(shape.start(&same, "id:b"), (at_time.clone(), None));
        assert_eq!(
            shape.start(&position("id:a", "x".into()), "id:a"),
            (at_time.clone(), None)
        );
        assert_eq!(
            shape.start(&Position::at_time(ClusterTime::new(5, 1)), "id:a"),
            (at_time, None)
        );
    }
}
