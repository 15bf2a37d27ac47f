//! A connection that listens to channels, made again when it breaks.

use std::fmt;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use redis::Client;
use redis::aio::PubSub;
use tokio::time::{sleep, timeout};

use conduit_core::StateError;

use super::error::{from_client, timed_out};

const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(5);

/// What a listener has to tell.
#[derive(Debug)]
pub(super) enum Heard {
    /// It listens from now on: what was said before is not known.
    Began,
    /// Something was said.
    Said {
        /// On which of its channels, by its place among them.
        channel: usize,
        /// What.
        message: Vec<u8>,
    },
}

/// Listens to some channels over a connection of its own.
pub(super) struct Listener {
    client: Client,
    connect_timeout: Duration,
    channels: Vec<String>,
    /// What it hears of, for the log.
    subject: &'static str,
    listening: Option<PubSub>,
    /// Kept over calls that are dropped: a connection may take longer than whoever waits for news.
    connecting: Option<BoxFuture<'static, Result<PubSub, StateError>>>,
    delay: Duration,
    was_lost: bool,
}

impl Listener {
    pub(super) fn new(
        client: Client,
        connect_timeout: Duration,
        channels: Vec<String>,
        subject: &'static str,
    ) -> Self {
        Self {
            client,
            connect_timeout,
            channels,
            subject,
            listening: None,
            connecting: None,
            delay: FIRST_DELAY,
            was_lost: false,
        }
    }

    /// Waits for what comes next. Begins with [`Heard::Began`], and does so again whenever the connection broke and was made
    /// again, with pauses that grow from 0.1 to 5 seconds.
    ///
    /// Cancel safe: nothing that was heard is lost.
    pub(super) async fn next(&mut self) -> Heard {
        let subject = self.subject;
        loop {
            if let Some(listening) = &mut self.listening {
                if let Some(message) = listening.on_message().next().await {
                    let named = |channel: &String| channel == message.get_channel_name();
                    // It hears nothing but its channels.
                    let channel = self.channels.iter().position(named).unwrap_or_default();
                    let message = message.get_payload_bytes().to_vec();
                    return Heard::Said { channel, message };
                }
                self.listening = None;
                self.was_lost = true;
                tracing::warn!(subject, "redis no longer tells, trying again");
            }
            let connecting = self.connecting.get_or_insert_with(|| {
                let listen = listen(self.client.clone(), self.channels.clone());
                let limited = timeout(self.connect_timeout, listen);
                Box::pin(async { limited.await.map_err(|_| timed_out("accept a connection"))? })
            });
            let connected = connecting.await;
            self.connecting = None;
            match connected {
                Ok(listening) => {
                    self.listening = Some(listening);
                    self.delay = FIRST_DELAY;
                    if std::mem::take(&mut self.was_lost) {
                        tracing::info!(subject, "redis tells again");
                    }
                    return Heard::Began;
                }
                Err(_) => {
                    sleep(self.delay).await;
                    self.delay = (self.delay * 2).min(LONGEST_DELAY);
                }
            }
        }
    }
}

async fn listen(client: Client, channels: Vec<String>) -> Result<PubSub, StateError> {
    let mut listening = client.get_async_pubsub().await.map_err(from_client)?;
    for channel in &channels {
        listening.subscribe(channel).await.map_err(from_client)?;
    }
    Ok(listening)
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client's own output has the password in it.
        f.debug_struct("Listener")
            .field("channels", &self.channels)
            .field("is_listening", &self.listening.is_some())
            .finish_non_exhaustive()
    }
}
