//! What is done to a simulated world from outside.

use std::time::Duration;

use conduit_core::RecordType;

/// One change of a document, or of its key fields, which is two records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A change of a document.
    Of {
        collection: usize,
        key: usize,
        record_type: RecordType,
    },
    /// A document's key fields change: removed under one key, inserted under the other.
    OfKey {
        collection: usize,
        from: usize,
        to: usize,
    },
}

/// How a destination fails as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outage {
    /// It refuses every call.
    Refuses,
    /// It answers no call.
    Hangs,
    /// It refuses this many of a hundred records.
    BrownOut(u32),
}

/// One thing that is done.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// Documents change, all in one transaction.
    Write(Vec<Change>),
    /// A worker starts, unless it runs.
    Start(usize),
    /// A worker is killed, if it runs.
    Kill(usize),
    /// A worker is told to stop, if it runs.
    Stop(usize),
    /// A worker gets no processor any more, if it runs.
    Freeze(usize),
    /// It gets it back.
    Thaw(usize),
    /// The store cannot be reached by one worker, or by any.
    StoreAway { worker: Option<usize>, lasts: Duration },
    /// An image of the store is kept.
    KeepImage,
    /// The store crashes and comes back as it was at one of the last images.
    Restore { back: usize },
    /// A destination fails as a whole.
    EndpointAway {
        destination: usize,
        outage: Outage,
        lasts: Duration,
    },
    /// Every open stream fails at its next read.
    StreamsFail,
    /// A destination gets another number of retries.
    SetRetries { destination: usize, max_retries: u32 },
    /// A destination gets another concurrency.
    SetConcurrency { destination: usize, concurrency: usize },
    /// A destination is taken out.
    Remove(usize),
    /// A destination that was taken out is configured again, to start now.
    Add(usize),
    /// A collection is taken out with all its destinations; nothing is dropped.
    Suspend(usize),
    /// It is put in again.
    Resume(usize),
    /// All trouble ends.
    Calm,
}
