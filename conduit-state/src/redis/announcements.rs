//! Hearing of changes of the configuration, and of commands that wait.

use std::fmt;
use std::time::Duration;

use futures_util::StreamExt;
use redis::Client;
use redis::aio::PubSub;
use tokio::time::{sleep, timeout};

use conduit_core::StateError;

use super::error::{from_client, timed_out};
use super::keys::{COMMANDS_CHANNEL, CONFIG_CHANGE};

const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(5);

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
pub struct Announcements {
    client: Client,
    connect_timeout: Duration,
    listening: Option<PubSub>,
    delay: Duration,
    was_lost: bool,
}

impl Announcements {
    pub(super) fn new(client: Client, connect_timeout: Duration) -> Self {
        Self {
            client,
            connect_timeout,
            listening: None,
            delay: FIRST_DELAY,
            was_lost: false,
        }
    }

    /// Waits for the next announcement.
    ///
    /// Begins with [`Announcement::Unknown`] once it listens, and does so again whenever the connection broke and was
    /// made again, with pauses that grow from 0.1 to 5 seconds.
    ///
    /// Cancel safe: nothing that was heard is lost.
    pub async fn next(&mut self) -> Announcement {
        loop {
            if let Some(listening) = &mut self.listening {
                if let Some(message) = listening.on_message().next().await {
                    let collection = message.get_payload().unwrap_or_default();
                    return match message.get_channel_name() {
                        COMMANDS_CHANNEL => Announcement::Command(collection),
                        _ => Announcement::ConfigChange(collection),
                    };
                }
                self.listening = None;
                self.was_lost = true;
                tracing::warn!("redis no longer tells of changes and commands, trying again");
            }
            match self.listen().await {
                Ok(listening) => {
                    self.listening = Some(listening);
                    self.delay = FIRST_DELAY;
                    if std::mem::take(&mut self.was_lost) {
                        tracing::info!("redis tells of changes and commands again");
                    }
                    return Announcement::Unknown;
                }
                Err(_) => {
                    sleep(self.delay).await;
                    self.delay = (self.delay * 2).min(LONGEST_DELAY);
                }
            }
        }
    }

    async fn listen(&self) -> Result<PubSub, StateError> {
        let listen = async {
            let mut listening = self.client.get_async_pubsub().await.map_err(from_client)?;
            for channel in [CONFIG_CHANGE, COMMANDS_CHANNEL] {
                listening.subscribe(channel).await.map_err(from_client)?;
            }
            Ok(listening)
        };
        timeout(self.connect_timeout, listen)
            .await
            .map_err(|_| timed_out("accept a connection"))?
    }
}

impl fmt::Debug for Announcements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announcements")
            .field("is_listening", &self.listening.is_some())
            .finish_non_exhaustive()
    }
}
