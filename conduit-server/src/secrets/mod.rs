//! Where destinations' secrets come from and how they are stored: encrypted, or as a reference to where the worker finds
//! them.

mod secret_keys;
mod secret_reference;
mod secret_sources;

pub(crate) use secret_keys::{NoRandomness, SecretKeys, SecretPlace};
pub(crate) use secret_reference::SecretReference;
pub(crate) use secret_sources::{SecretSources, VARIABLE_PREFIX};
