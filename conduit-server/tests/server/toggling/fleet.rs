//! The collections, and the documents in them.

use fastrand::Rng;
use serde_json::{Value, json};

use super::wants::Images;

/// How many documents each collection has at most.
pub(super) const DOCUMENTS: usize = 4;

/// What a collection is like; that does not change while it runs.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) name: String,
    pub(super) images: Images,
    has_key_schema: bool,
    pub(super) has_two_destinations: bool,
    pub(super) is_toggled: bool,
}

/// Draws the shapes of all collections.
pub(super) fn fleet(seed: u64, collections: usize, toggled: usize) -> Vec<Shape> {
    let mut rng = Rng::with_seed(seed);
    let mut chosen: Vec<usize> = (0..collections).collect();
    rng.shuffle(&mut chosen);
    chosen.truncate(toggled);
    let shape = |number| Shape {
        name: format!("c{number:04}"),
        images: if rng.u8(0..3) == 0 {
            Images::OfTheChange
        } else {
            Images::LookedUp
        },
        has_key_schema: rng.u8(0..4) == 0,
        has_two_destinations: rng.u8(0..3) == 0,
        is_toggled: chosen.contains(&number),
    };
    (0..collections).map(shape).collect()
}

/// The `_id` of a document, which is its key field as well.
pub(super) fn document_id(document: usize) -> String {
    format!("d{document}")
}

/// Which document has this `_id`.
pub(super) fn document_of(id: &str) -> Option<usize> {
    let number = id.strip_prefix('d')?.parse().ok()?;
    (number < DOCUMENTS).then_some(number)
}

/// What filters go by: the same for a document all its lives long, so that it does not matter when an image is looked up.
pub(super) fn group_of(document: usize) -> String {
    format!("g{document}")
}

impl Shape {
    /// The field that records are keyed by.
    pub(super) fn key_field(&self) -> &'static str {
        if self.has_key_schema { "code" } else { "_id" }
    }

    /// What it is created with, but for its destinations.
    pub(super) fn body(&self, destinations: Vec<Value>) -> Value {
        let mut body = json!({
            "collection_name": self.name, "stream_enabled": true, "destinations": destinations,
            "old_image": self.images == Images::OfTheChange,
        });
        if self.has_key_schema {
            body["primary_key"] = json!("code");
        }
        body
    }
}

#[test]
fn a_seed_gives_the_same_fleet_with_both_image_modes() {
    let of = |seed| fleet(seed, 40, 8);
    assert_eq!(format!("{:?}", of(1)), format!("{:?}", of(1)));
    assert_eq!(of(1).iter().filter(|shape| shape.is_toggled).count(), 8);
    for images in [Images::OfTheChange, Images::LookedUp] {
        let is_there = |toggled| {
            of(1)
                .iter()
                .any(|shape| shape.images == images && shape.is_toggled == toggled)
        };
        assert!(is_there(true) && is_there(false));
    }
}
