//! What a collection is to be like.

use conduit_core::CollectionName;

/// Whether the server stores each change's document before and after it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum StoredImages {
    /// As it is; a new collection stores none. Others may need what was turned on.
    #[default]
    Keep,
    /// Store them. Needs MongoDB 6.0.
    On,
    /// Store none.
    Off,
}

/// What a collection is to be like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CollectionLayout {
    /// The collection.
    pub name: CollectionName,
    /// The key schema's fields, which get a unique index; empty for none.
    pub key_fields: Vec<String>,
    /// The field with the date at which a document expires.
    pub ttl_attribute: Option<String>,
    /// Whether images are stored.
    pub images: StoredImages,
}

impl CollectionLayout {
    /// A plain collection: no key schema, no expiry, images as they are.
    #[must_use]
    pub fn new(name: CollectionName) -> Self {
        Self {
            name,
            key_fields: Vec::new(),
            ttl_attribute: None,
            images: StoredImages::Keep,
        }
    }
}

/// Where a collection came from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Origin {
    /// It was not there and was created.
    Created,
    /// It was there.
    Adopted,
}
