//! The endpoints that a worker sends to, by name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::endpoint::Endpoint;
use crate::value::RecordKey;

/// Gives subscriptions that send to the same server the same endpoint.
#[derive(Debug)]
pub(crate) struct Endpoints {
    seed: String,
    known: Mutex<HashMap<String, Weak<Endpoint>>>,
}

impl Endpoints {
    /// `seed` is what the jitter of probes is made of.
    pub(crate) fn new(seed: String) -> Self {
        Self {
            seed,
            known: Mutex::default(),
        }
    }

    /// The endpoint of this name; one of its own, called `own`, for a sink that names none.
    pub(crate) fn get(&self, name: Option<String>, own: &str) -> Arc<Endpoint> {
        let Some(name) = name else {
            return self.make(own.to_owned());
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(endpoint) = known.get(&name).and_then(Weak::upgrade) {
            return endpoint;
        }
        known.retain(|_, endpoint| endpoint.strong_count() > 0);
        let endpoint = self.make(name.clone());
        known.insert(name, Arc::downgrade(&endpoint));
        endpoint
    }

    fn make(&self, name: String) -> Arc<Endpoint> {
        let hash = RecordKey::of(format!("{}/{name}", self.seed).as_bytes());
        // Any 64 bits of the hash will do.
        Endpoint::new(name, hash.lane(usize::MAX) as u64)
    }
}
