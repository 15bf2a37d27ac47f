//! The store's settings.

use serde::{Deserialize, Serialize};

use crate::Idempotency;

/// How [`EmbeddedStore`](super::EmbeddedStore) goes about its work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EmbeddedSettings {
    /// What is remembered of delivered records.
    pub idempotency: Idempotency,
}
