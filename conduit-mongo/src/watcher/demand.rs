//! What the server is asked for with each reply.

/// How much of each event a reply holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Contents {
    /// The event as the server makes it.
    Everything,
    /// What records are made of: without what changed, and of the old image no more than is shown.
    Needed,
    /// Of the images only the fields of key schemas.
    Keys,
    /// Neither image.
    NoImages,
}

/// How many events a reply may hold, and how much of each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Demand {
    pub(super) batch_size: u32,
    pub(super) contents: Contents,
}

impl Demand {
    /// As many events as `batch_size` says, as the server makes them.
    pub(super) fn many(batch_size: u32) -> Self {
        Self {
            batch_size,
            contents: Contents::Everything,
        }
    }

    /// One event.
    pub(super) fn one(contents: Contents) -> Self {
        Self {
            batch_size: 1,
            contents,
        }
    }

    /// Whether images are left out that a record should have.
    pub(super) fn lacks_images(self) -> bool {
        matches!(self.contents, Contents::Keys | Contents::NoImages)
    }
}
