//! The shape of a change stream: which collections, and which images.

use bson::raw::CString;
use bson::{RawArrayBuf, RawDocumentBuf, rawdoc};
use conduit_core::{Images, KeyHasher, Position, WatchError, WatchTarget};

use super::demand::{Contents, Demand};
use super::name_match::NameMatch;
use super::start::Start;

/// Which images the server is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    /// The document as it is when an update is read. It is not the server that looks it up.
    LookedUp,
    /// Both images as they were at the change, where they are stored.
    Stored,
}

/// What the server is asked to watch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct StreamShape {
    mode: Mode,
    /// The collections that are wanted, sorted.
    names: Vec<String>,
    /// How the server is told of them.
    name_match: NameMatch,
    key_fields: Vec<String>,
    /// Whether any record shows its old image.
    shows_old_images: bool,
}

impl StreamShape {
    /// The shape that the targets need.
    ///
    /// Targets that need stored images and targets that do not take two streams: a stored image is never
    /// replaced by a looked-up one.
    pub(super) fn of(targets: &[WatchTarget]) -> Result<Self, WatchError> {
        let mode = |target: &WatchTarget| {
            if target.needs_stored_images() {
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
        let mut key_fields: Vec<_> = targets
            .iter()
            .flat_map(|target| target.key_fields.iter().cloned())
            .collect();
        key_fields.sort_unstable();
        key_fields.dedup();
        let shows_old_images = targets.iter().any(|target| target.images == Images::NewAndOld);
        Ok(Self {
            mode,
            name_match: NameMatch::OneOf(names.clone()),
            names,
            key_fields,
            shows_old_images,
        })
    }

    /// Whether the documents of updates are to be looked up.
    pub(super) fn looks_up(&self) -> bool {
        self.mode == Mode::LookedUp
    }

    /// Whether the collection is watched.
    pub(super) fn wants(&self, collection: &[u8]) -> bool {
        self.names
            .binary_search_by(|name| name.as_bytes().cmp(collection))
            .is_ok()
    }

    /// Whether it matters which other collections the database has.
    pub(super) fn depends_on_others(&self) -> bool {
        !NameMatch::is_cheap(&self.names)
    }

    /// The shape that asks the same of the server in the way that is cheapest where these collections exist.
    pub(super) fn among(&self, existing: Option<Vec<String>>) -> Self {
        let name_match = match existing {
            Some(existing) => NameMatch::cheaper(&self.names, existing),
            None => NameMatch::OneOf(self.names.clone()),
        };
        Self {
            name_match,
            ..self.clone()
        }
    }

    /// Whether changes of other collections may come.
    pub(super) fn lets_others_through(&self) -> bool {
        matches!(self.name_match, NameMatch::NoneOf(_))
    }

    /// A fingerprint: a resume token is only sure to be found by a stream of the same shape.
    pub(super) fn fingerprint(&self) -> String {
        let mut hasher = KeyHasher::default();
        hasher.write(match self.mode {
            Mode::LookedUp => b"looked up",
            Mode::Stored => b"stored",
        });
        self.name_match.hash(&mut hasher);
        hasher.finish().to_string()
    }

    /// Where to open for what comes after `position`, and where instead if that is refused.
    ///
    /// A stream opened at the position's time brings again what is done of that time.
    pub(super) fn start(&self, position: &Position, source: &str) -> (Start, Option<Start>) {
        self.start_or(Start::AtTime(position.time()), position, source)
    }

    /// As [`StreamShape::start`], but nothing that is done comes again.
    pub(super) fn restart(&self, position: &Position, source: &str) -> (Start, Option<Start>) {
        self.start_or(Start::beyond(position), position, source)
    }

    fn start_or(&self, instead: Start, position: &Position, source: &str) -> (Start, Option<Start>) {
        let known = &**position.stream();
        match position.token() {
            Some(token) if known.options == self.fingerprint() && known.source == source => {
                (Start::AfterToken(token.to_owned()), Some(instead))
            }
            _ => (instead, None),
        }
    }

    /// The command that opens the stream.
    ///
    /// The match is on `ns.coll` alone, which the server checks at the lowest cost. Drops and renames of the
    /// collections pass it; whatever does not, moves the token after each reply all the same.
    pub(super) fn command(&self, start: &Start, demand: Demand) -> RawDocumentBuf {
        let mut stage = match self.mode {
            Mode::Stored if self.wants_images(demand.contents) => {
                rawdoc! { "fullDocument": "whenAvailable", "fullDocumentBeforeChange": "whenAvailable" }
            }
            _ => RawDocumentBuf::new(),
        };
        start.add_to(&mut stage);
        let mut pipeline = RawArrayBuf::new();
        pipeline.push(rawdoc! { "$changeStream": stage });
        pipeline.push(rawdoc! { "$match": self.name_match.filter() });
        if let Some(filter) = start.filter() {
            pipeline.push(rawdoc! { "$match": filter });
        }
        if let Some(fields) = self.fields(demand.contents) {
            pipeline.push(rawdoc! { "$project": fields });
        }
        rawdoc! {
            "aggregate": 1,
            "pipeline": pipeline,
            "cursor": { "batchSize": i64::from(demand.batch_size) },
            "readConcern": { "level": "majority" },
        }
    }

    /// The fields of events that are asked for, if not all. The server adds `_id`.
    fn fields(&self, contents: Contents) -> Option<RawDocumentBuf> {
        const IMAGES: [&str; 2] = ["fullDocument", "fullDocumentBeforeChange"];
        let mut images = Vec::new();
        let keys_of = |image: &str, images: &mut Vec<String>| {
            images.extend(self.key_fields.iter().map(|field| format!("{image}.{field}")));
        };
        match contents {
            Contents::Everything => return None,
            Contents::Needed => {
                images.push(IMAGES[0].to_owned());
                if self.shows_old_images || !self.has_plain_key_fields() {
                    images.push(IMAGES[1].to_owned());
                } else {
                    keys_of(IMAGES[1], &mut images);
                }
            }
            Contents::Keys if self.wants_images(contents) => {
                for image in IMAGES {
                    keys_of(image, &mut images);
                }
            }
            Contents::Keys | Contents::NoImages => {}
        }
        let mut fields = rawdoc! {
            "operationType": 1,
            "clusterTime": 1,
            "wallTime": 1,
            "ns": 1,
            "documentKey": 1,
        };
        // Names of fields hold no zero bytes.
        for name in images.into_iter().filter_map(|name| CString::try_from(name).ok()) {
            fields.append(name, 1);
        }
        Some(fields)
    }

    /// Whether the server needs to have images at hand.
    fn wants_images(&self, contents: Contents) -> bool {
        match contents {
            Contents::Everything | Contents::Needed => true,
            Contents::Keys => !self.key_fields.is_empty() && self.has_plain_key_fields(),
            Contents::NoImages => false,
        }
    }

    /// Whether the key schemas' fields can be named in a projection.
    fn has_plain_key_fields(&self) -> bool {
        let is_plain =
            |field: &String| !field.is_empty() && !field.starts_with('$') && !field.contains(['.', '\0']);
        self.key_fields.iter().all(is_plain)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use conduit_core::{ClusterTime, CollectionName, StreamIdentity};

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

    #[test]
    fn an_event_is_asked_for_without_what_no_record_holds() {
        let fields = |target: &WatchTarget, contents| {
            let shape = StreamShape::of(std::slice::from_ref(target)).unwrap();
            let fields = shape.fields(contents)?;
            let names = fields.iter().map(|field| field.unwrap().0.to_string());
            Some(names.skip(5).collect::<Vec<_>>().join(" "))
        };
        let with_keys = |fields: &[&str], images| WatchTarget {
            key_fields: fields.iter().map(|&field| field.into()).collect(),
            images,
            ..target("a")
        };
        let keyed = with_keys(&["x", "y"], Images::New);
        let shown = with_keys(&["x"], Images::NewAndOld);
        let dotted = with_keys(&["x.y"], Images::New);
        let keys = "fullDocument.x fullDocument.y fullDocumentBeforeChange.x fullDocumentBeforeChange.y";
        let needed = "fullDocument fullDocumentBeforeChange.x fullDocumentBeforeChange.y";
        let cases = [
            (&target("a"), Contents::Needed, "fullDocument"),
            (&target("a"), Contents::Keys, ""),
            (
                &with_old_images("a"),
                Contents::Needed,
                "fullDocument fullDocumentBeforeChange",
            ),
            (&keyed, Contents::Needed, needed),
            (&keyed, Contents::Keys, keys),
            (&keyed, Contents::NoImages, ""),
            (&shown, Contents::Needed, "fullDocument fullDocumentBeforeChange"),
            // A projection would take such a name for a path.
            (&dotted, Contents::Needed, "fullDocument fullDocumentBeforeChange"),
            (&dotted, Contents::Keys, ""),
        ];
        for (target, contents, expected) in cases {
            assert_eq!(
                fields(target, contents).as_deref(),
                Some(expected),
                "{target:?} {contents:?}"
            );
        }
        assert_eq!(fields(&keyed, Contents::Everything), None);
    }
}
