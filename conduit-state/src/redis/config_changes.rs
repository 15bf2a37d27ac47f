//! Hearing of changes of the configuration.

use std::fmt;
use std::time::Duration;

use futures_util::StreamExt;
use redis::Client;
use redis::aio::PubSub;
use tokio::time::{sleep, timeout};

use conduit_core::StateError;

use super::error::{from_client, timed_out};
use super::keys::CONFIG_CHANGE;

const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(5);

/// What is known of a change of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigChange {
    /// The configuration of the collection of this name changed.
    Of(String),
    /// Redis was listened to from now on: something may have changed before.
    Unknown,
}

/// Yields changes of the configuration as they are told; see
/// [`RedisStore::subscribe_config_changes`](super::RedisStore::subscribe_config_changes).
pub struct ConfigChanges {
    client: Client,
    connect_timeout: Duration,
    listening: Option<PubSub>,
    delay: Duration,
    was_lost: bool,
}

impl ConfigChanges {
    pub(super) fn new(client: Client, connect_timeout: Duration) -> Self {
        Self {
            client,
            connect_timeout,
            listening: None,
            delay: FIRST_DELAY,
            was_lost: false,
        }
    }

    /// Waits for the next change.
    ///
    /// Begins with [`ConfigChange::Unknown`] once it listens, and does so again whenever the connection broke and was
    /// made again, with pauses that grow from 0.1 to 5 seconds.
    ///
    /// Cancel safe: no change that was heard is lost.
    pub async fn next(&mut self) -> ConfigChange {
        loop {
            if let Some(listening) = &mut self.listening {
                if let Some(message) = listening.on_message().next().await {
                    return ConfigChange::Of(message.get_payload().unwrap_or_default());
                }
                self.listening = None;
                self.was_lost = true;
                tracing::warn!("redis no longer tells of configuration changes, trying again");
            }
            match self.listen().await {
                Ok(listening) => {
                    self.listening = Some(listening);
                    self.delay = FIRST_DELAY;
                    if std::mem::take(&mut self.was_lost) {
                        tracing::info!("redis tells of configuration changes again");
                    }
                    return ConfigChange::Unknown;
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
            listening.subscribe(CONFIG_CHANGE).await.map_err(from_client)?;
            Ok(listening)
        };
        timeout(self.connect_timeout, listen)
            .await
            .map_err(|_| timed_out("accept a connection"))?
    }
}

impl fmt::Debug for ConfigChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigChanges")
            .field("is_listening", &self.listening.is_some())
            .finish_non_exhaustive()
    }
}
