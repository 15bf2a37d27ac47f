//! How change streams are read.

use std::time::Duration;

/// Settings of the change streams of a [`MongoWatcher`](super::MongoWatcher).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSettings {
    /// How many events a reply of the server may hold. A reply is at most 16 MB in any case, and up to three
    /// replies are held at once; where documents are looked up, four, and 32 MB of documents twice. Below 2,000 reading becomes slower. Default 3,000.
    pub batch_size: u32,
    /// How long the server waits for a first event before it answers without any: how long it takes at most
    /// until an idle stream's position moves, and until a stream that was dropped is closed on the server.
    /// Default 500 ms.
    pub await_time: Duration,
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self {
            batch_size: 3000,
            await_time: Duration::from_millis(500),
        }
    }
}
