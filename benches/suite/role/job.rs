//! What a process is started with.

use serde::{Deserialize, Serialize};

/// The part that a process plays.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Job {
    Bare(BareJob),
    Conduit(ConduitJob),
    Follower(FollowerJob),
    Receiver(ReceiverJob),
    Writer(WriterJob),
}

/// Which images events carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Images {
    /// What an insert carries anyway.
    Inserted,
    /// Looked up when an update is read.
    LookedUp,
    /// Stored with the change.
    Stored,
}

/// The same work with no product around it: any of the three, beside each other.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct BareJob {
    pub(crate) cursor: Option<CursorJob>,
    pub(crate) posts: Option<PostJob>,
    pub(crate) sets: Option<SetJob>,
}

/// Reads the change stream of a database and decodes nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CursorJob {
    pub(crate) mongodb: String,
    pub(crate) database: String,
    pub(crate) images: Images,
    pub(crate) start: (u32, u32),
    pub(crate) events: u64,
}

/// Posts the same body again and again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PostJob {
    pub(crate) url: String,
    pub(crate) requests: u64,
    pub(crate) in_flight: u64,
    pub(crate) body_bytes: usize,
}

/// Sets keys that expire, many in a round trip.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SetJob {
    pub(crate) redis: String,
    pub(crate) keys: u64,
}

/// Where Conduit delivers to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum SinkKind {
    /// Takes everything and does nothing.
    Null,
    /// One record a request.
    Post(String),
    /// A hundred records a request.
    PostBatches(String),
}

/// Runs Conduit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ConduitJob {
    pub(crate) mongodb: String,
    pub(crate) redis: String,
    pub(crate) database: String,
    pub(crate) collections: Vec<String>,
    /// Of each collection.
    pub(crate) destinations: usize,
    pub(crate) images: Images,
    /// Where to start; without it, now.
    pub(crate) start: Option<(u32, u32)>,
    pub(crate) sink: SinkKind,
    /// `IDEMPOTENCY=watermark` instead of keys.
    pub(crate) watermark: bool,
    /// How many deliveries there are to be.
    pub(crate) deliveries: u64,
}

/// Reads the change stream of a whole database as things happen.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FollowerJob {
    pub(crate) mongodb: String,
    pub(crate) database: String,
}

/// Receives records over HTTP.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ReceiverJob {
    /// After how long it answers.
    pub(crate) delay_ms: u64,
    /// Whether it notes when which record arrived.
    pub(crate) keeps_arrivals: bool,
}

/// Inserts documents at a steady rate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WriterJob {
    pub(crate) mongodb: String,
    pub(crate) database: String,
    pub(crate) collections: Vec<String>,
    pub(crate) a_second: u64,
    pub(crate) documents: u64,
    /// The `_id` of the first document; the others count on from it.
    pub(crate) first: i64,
}
