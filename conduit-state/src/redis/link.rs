//! The connection, made when it is needed and again after it broke.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, Pipeline, RedisResult, Value};
use tokio::time::timeout;

use conduit_core::StateError;

use super::error::{self, from_client, timed_out};
use super::settings::RedisSettings;

/// The slowest connection that is given the time it needs to take a large request.
const BYTES_PER_SECOND: usize = 4 * 1024 * 1024;

/// One connection that all requests share.
///
/// A request goes out once: after any failure its outcome is unknown, and to send it again is up to the caller. The
/// connection that failed is given up, and the next request makes a new one.
pub(super) struct Link {
    client: Client,
    connect_timeout: Duration,
    response_timeout: Duration,
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    /// Counts connections, so that a late failure of an old one does not cost the new one.
    generation: u64,
    connection: Option<MultiplexedConnection>,
}

impl Link {
    /// Takes over a URI without connecting.
    pub(super) fn new(uri: &str, settings: &RedisSettings) -> Result<Self, StateError> {
        let scheme = scheme_of(uri);
        if scheme != "redis" && scheme != "rediss" {
            return Err(error::bad_uri(&format!("invalid redis URL scheme: {scheme}")));
        }
        if scheme == "rediss" {
            // Another provider that the host has chosen stays.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let client = Client::open(uri).map_err(|error| {
            // The crate's words on a bad URI are fixed ones, but for its detail, which may repeat a part of it.
            let words = error.to_string();
            error::bad_uri(
                words
                    .split(" - ")
                    .next()
                    .unwrap_or_default()
                    .to_lowercase()
                    .trim(),
            )
        })?;
        let RedisSettings {
            connect_timeout,
            response_timeout,
            ..
        } = *settings;
        Ok(Self {
            client,
            connect_timeout,
            response_timeout,
            current: Mutex::default(),
        })
    }

    /// The client, for connections of another kind.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Sends one command.
    pub(super) async fn ask(&self, command: &Cmd) -> Result<Value, StateError> {
        let (generation, mut connection) = self.connection().await?;
        let patience = self.patience(command.get_packed_command().len());
        match timeout(patience, command.query_async::<Value>(&mut connection)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(failure)) if failure.code().is_some() => Err(from_client(failure)),
            Ok(Err(failure)) => {
                self.give_up(generation);
                Err(from_client(failure))
            }
            Err(_) => {
                self.give_up(generation);
                Err(timed_out("answer"))
            }
        }
    }

    /// Sends commands in one trip; an answer for each, or one error for all.
    pub(super) async fn ask_all(
        &self,
        commands: &mut Pipeline,
        bytes: usize,
    ) -> Result<Vec<RedisResult<Value>>, StateError> {
        commands.ignore_errors();
        let (generation, mut connection) = self.connection().await?;
        match timeout(self.patience(bytes), commands.query_async(&mut connection)).await {
            Ok(Ok(answers)) => Ok(answers),
            Ok(Err(failure)) => {
                self.give_up(generation);
                Err(from_client(failure))
            }
            Err(_) => {
                self.give_up(generation);
                Err(timed_out("answer"))
            }
        }
    }

    async fn connection(&self) -> Result<(u64, MultiplexedConnection), StateError> {
        {
            let current = self.current();
            if let Some(connection) = &current.connection {
                return Ok((current.generation, connection.clone()));
            }
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(None);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let connection = match timeout(self.connect_timeout, connecting).await {
            Ok(connected) => connected.map_err(from_client)?,
            Err(_) => return Err(timed_out("accept a connection")),
        };
        // Of several that connected at once the last one's connection is kept; the others serve their one request.
        let mut current = self.current();
        current.generation += 1;
        current.connection = Some(connection.clone());
        Ok((current.generation, connection))
    }

    fn give_up(&self, generation: u64) {
        let mut current = self.current();
        if current.generation == generation {
            current.connection = None;
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        // Nothing panics while the lock is held.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn patience(&self, bytes: usize) -> Duration {
        let seconds = u64::try_from(bytes / BYTES_PER_SECOND).unwrap_or(u64::MAX);
        self.response_timeout.saturating_add(Duration::from_secs(seconds))
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client's own output has the password in it.
        f.debug_struct("Link")
            .field("address", self.client.get_connection_info().addr())
            .finish_non_exhaustive()
    }
}

/// The text before the first colon, if it can be a scheme.
fn scheme_of(uri: &str) -> &str {
    let (scheme, _) = uri.split_once(':').unwrap_or_default();
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    if scheme.bytes().all(is_legal) { scheme } else { "" }
}
