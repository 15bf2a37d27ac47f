//! The store's settings.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use conduit_core::{StateError, StateErrorKind};

use crate::Idempotency;

/// How [`RedisStore`](super::RedisStore) goes about its work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RedisSettings {
    /// How long a connection may take to come about. Default 5 seconds.
    pub connect_timeout: Duration,
    /// How long an answer may take, before the time that large requests take to be sent. Default 5 seconds.
    pub response_timeout: Duration,
    /// How many bytes of commits are sent in one round trip; a single larger commit goes alone. Default 8 MiB.
    pub max_trip_bytes: usize,
    /// What is remembered of delivered records.
    pub idempotency: Idempotency,
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(5),
            max_trip_bytes: 8 * 1024 * 1024,
            idempotency: Idempotency::default(),
        }
    }
}

impl RedisSettings {
    /// Checks the settings.
    ///
    /// # Errors
    /// `Invalid`, naming the field.
    pub fn validate(&self) -> Result<(), StateError> {
        let zero = [
            ("connect_timeout", self.connect_timeout.is_zero()),
            ("response_timeout", self.response_timeout.is_zero()),
            ("max_trip_bytes", self.max_trip_bytes == 0),
        ];
        match zero.iter().find(|(_, is_zero)| *is_zero) {
            Some((field, _)) => Err(StateError::new(
                StateErrorKind::Invalid,
                format!("{field} cannot be zero"),
            )),
            None => Ok(()),
        }
    }
}
