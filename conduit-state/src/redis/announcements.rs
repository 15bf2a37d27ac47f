//! Hearing of changes of the configuration and of commands that wait.

use super::listener::{Heard, Listener};

/// What is told to everybody on the same Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// The configuration of the collection of this name changed.
    ConfigChange(String),
    /// A command waits for whoever holds the lease of the collection of this name.
    Command(String),
    /// Redis was listened to from now on: something may have been told before.
    Unknown,
}

/// Yields announcements as they are told; see
/// [`RedisStore::subscribe_announcements`](super::RedisStore::subscribe_announcements).
#[derive(Debug)]
pub struct Announcements {
    listener: Listener,
}

impl Announcements {
    /// The listener's channels are those of changes and of commands, in this order.
    pub(super) fn new(listener: Listener) -> Self {
        Self { listener }
    }

    /// Waits for the next announcement.
    ///
    /// Begins with [`Announcement::Unknown`] once it listens, and does so again whenever the connection broke and was
    /// made again, with pauses that grow from 0.1 to 5 seconds.
    ///
    /// Cancel safe: nothing that was heard is lost.
    pub async fn next(&mut self) -> Announcement {
        match self.listener.next().await {
            Heard::Began => Announcement::Unknown,
            Heard::Said { channel, message } => {
                let collection = String::from_utf8_lossy(&message).into_owned();
                match channel {
                    0 => Announcement::ConfigChange(collection),
                    _ => Announcement::Command(collection),
                }
            }
        }
    }
}
