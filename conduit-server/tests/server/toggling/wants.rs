//! Which records a destination wants.

use fastrand::Rng;
use serde_json::{Value, json};

use super::fleet::{DOCUMENTS, group_of};

/// Whether the image of a record is the document as it was at the change, or as it was looked up later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Images {
    /// Both are in the record.
    OfTheChange,
    /// There is no old one, and no new one of a document that is gone.
    LookedUp,
}

/// What a write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Insert,
    Modify,
    Remove,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Insert, Self::Modify, Self::Remove];

    /// As records have it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Insert => "INSERT",
            Self::Modify => "MODIFY",
            Self::Remove => "REMOVE",
        }
    }
}

/// Whether a record is wanted; it may depend on when its image is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Yes,
    No,
    Either,
}

/// A destination's event types and filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wants {
    images: Images,
    kinds: Vec<Kind>,
    /// Only documents of these groups, by the number of the document; with looked-up images also what has no image.
    documents: Option<Vec<usize>>,
}

impl Wants {
    pub(super) fn all(images: Images) -> Self {
        Self {
            images,
            kinds: Kind::ALL.to_vec(),
            documents: None,
        }
    }

    pub(super) fn draw_filter(&mut self, rng: &mut Rng) {
        let mut documents: Vec<usize> = (0..DOCUMENTS).filter(|_| rng.bool()).collect();
        if documents.is_empty() {
            documents.push(rng.usize(0..DOCUMENTS));
        }
        // Taken away, set, or another one.
        self.documents = (rng.u8(0..3) != 0).then_some(documents);
    }

    pub(super) fn draw_kinds(&mut self, rng: &mut Rng) {
        self.kinds = Kind::ALL.into_iter().filter(|_| rng.u8(0..3) != 0).collect();
        if self.kinds.is_empty() {
            self.kinds = Kind::ALL.to_vec();
        }
    }

    pub(super) fn event_types(&self) -> Vec<&'static str> {
        self.kinds.iter().map(|kind| kind.as_str()).collect()
    }

    pub(super) fn filter_criteria(&self) -> Value {
        let Some(documents) = &self.documents else {
            return Value::Null;
        };
        let mut groups: Vec<Value> = documents.iter().map(|one| json!(group_of(*one))).collect();
        match self.images {
            Images::OfTheChange => {
                json!({"$or": [{"new_image": {"group": groups}}, {"old_image": {"group": groups}}]})
            }
            Images::LookedUp => {
                groups.push(json!({"exists": false}));
                json!({"new_image": {"group": groups}})
            }
        }
    }

    /// Decides about a write of a document that may be gone when its image is looked up.
    pub(super) fn decide(&self, document: usize, kind: Kind, may_be_gone: bool) -> Decision {
        if !self.kinds.contains(&kind) {
            return Decision::No;
        }
        let is_listed = self
            .documents
            .as_ref()
            .is_none_or(|listed| listed.contains(&document));
        match (self.images, kind) {
            _ if is_listed => Decision::Yes,
            (Images::LookedUp, Kind::Remove) => Decision::Yes,
            (Images::LookedUp, Kind::Modify) if may_be_gone => Decision::Either,
            _ => Decision::No,
        }
    }
}
