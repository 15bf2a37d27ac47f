//! The servers that a worker sends to, by name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::endpoint::Endpoint;
use super::server::Server;
use crate::value::{RecordKey, SubscriptionId};

/// Makes the endpoints of subscriptions; those that send to the same server share what they learn of it.
#[derive(Debug)]
pub(crate) struct Endpoints {
    seed: String,
    known: Mutex<HashMap<String, Weak<Server>>>,
}

impl Endpoints {
    /// `seed` is what the jitter of probes is made of.
    pub(crate) fn new(seed: String) -> Self {
        Self {
            seed,
            known: Mutex::default(),
        }
    }

    /// Makes the endpoint of a subscription, at a server of its own if its sink names none.
    pub(crate) fn make(&self, server: Option<String>, id: SubscriptionId) -> Arc<Endpoint> {
        let server = match server {
            Some(server) => self.server(server),
            None => {
                let name = id.to_string();
                let seed = self.seed_of(&name);
                Arc::new(Server::new(name, seed))
            }
        };
        Endpoint::new(id, server)
    }

    fn server(&self, name: String) -> Arc<Server> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = known.get(&name).and_then(Weak::upgrade) {
            return server;
        }
        known.retain(|_, server| server.strong_count() > 0);
        let server = Arc::new(Server::new(name.clone(), self.seed_of(&name)));
        known.insert(name, Arc::downgrade(&server));
        server
    }

    fn seed_of(&self, name: &str) -> u64 {
        let hash = RecordKey::of(format!("{}/{name}", self.seed).as_bytes());
        // Any 64 bits of the hash will do.
        hash.lane(usize::MAX) as u64
    }
}
