//! What happens at the source.

/// A change that the harness makes at the source. Documents have the fields `_id` (a string), `group` (a
/// string, the field of key schemas), `n` (a number) and `pad` (a string).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change<'a> {
    /// A new document.
    Insert {
        /// The collection, which may not be there yet.
        collection: &'a str,
        /// The document's `_id`.
        id: &'a str,
        /// The document's `group`.
        group: &'a str,
        /// The document's `n`.
        n: u32,
        /// How long the document's `pad` is.
        pad: usize,
    },
    /// The document's `group` and `n` are set, both in one change.
    Update {
        /// The collection.
        collection: &'a str,
        /// The document's `_id`.
        id: &'a str,
        /// The new `group`.
        group: &'a str,
        /// The new `n`.
        n: u32,
    },
    /// The document is deleted.
    Delete {
        /// The collection.
        collection: &'a str,
        /// The document's `_id`.
        id: &'a str,
    },
    /// The collection is dropped; a later insert makes it again.
    Drop {
        /// The collection.
        collection: &'a str,
    },
}
