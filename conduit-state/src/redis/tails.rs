//! Who follows the records of a collection, and what is told of them on the way to another process.
//!
//! Following has to be said again and again: whoever is silent for eight seconds follows nothing any more. Nothing has
//! an expiry: the script that lists followers drops the silent ones. What is told of records is published and forgotten, over
//! a connection of its own, so that it is in no commit's way.

use std::time::Duration;

use conduit_core::{CollectionName, StateError};

use super::keys::{CONFIG_CHANGE, TAILS_CHANNEL, tail_channel};
use super::listener::{Heard, Listener};
use super::reply::{list, text};
use super::script::{PUT_TAIL, TAILS};
use super::store::RedisStore;

/// How long somebody counts as following who does not say so again.
const LONGEST_SILENCE: Duration = Duration::from_secs(8);

/// Somebody who follows the records of a collection.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tail {
    /// Names it among all.
    pub id: String,
    /// What it follows.
    pub collection: CollectionName,
}

/// What somebody who follows hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TailNews {
    /// Redis is listened to from now on: something may have been told before.
    Began,
    /// Something was told of the collection's records, as it was given to [`RedisStore::publish_to_tails`].
    Published(Vec<u8>),
    /// The configuration of the collection of this name changed.
    ConfigChange(String),
}

/// Yields what is told of a collection's records; see [`RedisStore::subscribe_tail`].
#[derive(Debug)]
pub struct TailSubscription {
    listener: Listener,
}

/// Yields whenever somebody begins to follow; see [`RedisStore::subscribe_tails`].
#[derive(Debug)]
pub struct TailAnnouncements {
    listener: Listener,
}

impl RedisStore {
    /// Says that a collection is followed for the next 8 seconds; with an `id` that was given before, still. Returns the id.
    /// Who begins is announced.
    ///
    /// # Errors
    /// `Unavailable` (calling again is safe).
    pub async fn put_tail(
        &self,
        collection: &CollectionName,
        id: Option<&str>,
    ) -> Result<String, StateError> {
        let mut call = PUT_TAIL.call();
        call.arg(collection.as_str())
            .arg(id.unwrap_or_default())
            .arg(TAILS_CHANNEL);
        text(self.link().ask(&call).await?)
    }

    /// Returns who follows what.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn tails(&self) -> Result<Vec<Tail>, StateError> {
        let mut call = TAILS.call();
        call.arg(u64::try_from(LONGEST_SILENCE.as_millis()).unwrap_or(u64::MAX));
        let mut tails = Vec::new();
        for member in list(self.link().ask(&call).await?)? {
            let member = text(member)?;
            let Some((id, name)) = member.split_once(':') else {
                continue;
            };
            if let Ok(collection) = CollectionName::new(name) {
                let id = id.to_owned();
                tails.push(Tail { id, collection });
            }
        }
        Ok(tails)
    }

    /// Tells everybody who follows the collection. Who does not listen at this moment never hears of it.
    ///
    /// # Errors
    /// `Unavailable`: it may have been told.
    pub async fn publish_to_tails(
        &self,
        collection: &CollectionName,
        message: &[u8],
    ) -> Result<(), StateError> {
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(tail_channel(collection)).arg(message);
        self.tail_link().ask(&publish).await.map(drop)
    }

    /// Listens to what is told of a collection's records, and to changes of the configuration, over a connection of its own
    /// that is made again when it breaks.
    #[must_use]
    pub fn subscribe_tail(&self, collection: &CollectionName) -> TailSubscription {
        let channels = vec![tail_channel(collection), CONFIG_CHANGE.to_owned()];
        let listener = self.listener(channels, "records");
        TailSubscription { listener }
    }

    /// Listens to who begins to follow, over a connection of its own that is made again when it breaks.
    #[must_use]
    pub fn subscribe_tails(&self) -> TailAnnouncements {
        let listener = self.listener(vec![TAILS_CHANNEL.to_owned()], "who follows records");
        TailAnnouncements { listener }
    }
}

impl TailSubscription {
    /// Waits for the next news. Cancel safe: nothing that was heard is lost.
    pub async fn next(&mut self) -> TailNews {
        match self.listener.next().await {
            Heard::Began => TailNews::Began,
            Heard::Said { channel: 0, message } => TailNews::Published(message),
            Heard::Said { message, .. } => {
                TailNews::ConfigChange(String::from_utf8_lossy(&message).into_owned())
            }
        }
    }
}

impl TailAnnouncements {
    /// Waits until somebody may have begun to follow. Cancel safe.
    pub async fn next(&mut self) {
        self.listener.next().await;
    }
}
