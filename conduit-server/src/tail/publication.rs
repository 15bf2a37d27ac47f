//! What a worker tells of a collection's records to those who look on in other processes.

use std::sync::Arc;
use std::time::Duration;

use conduit_core::{CollectionName, Handle, WorkerId};
use conduit_state::RedisStore;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::Notify;

use super::queue::{Taken, Wanted};
use super::tails::Tails;

/// So often at most something is published: what comes in between goes together.
const INTERVAL: Duration = Duration::from_millis(50);

/// How long after each KiB nothing is published, so that a busy collection takes about 2 MiB/s of Redis for each reader, which
/// has commits to answer.
const PACE: Duration = Duration::from_micros(500);

/// A message about a collection's records.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Publication<'a> {
    pub(super) worker: WorkerId,
    /// Whether it holds the collection's lease, so that its records are there to be seen.
    pub(super) is_holder: bool,
    /// How many events there were before, lost ones included: a gap tells of a message that was lost.
    pub(super) from: u64,
    #[serde(borrow)]
    pub(super) events: Vec<&'a RawValue>,
    /// How many came after these and were lost here.
    pub(super) missed: u64,
}

/// Publishes what this process's engine tells of one collection.
#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) redis: Arc<RedisStore>,
    pub(crate) engine: Handle,
    pub(crate) collection: CollectionName,
    /// Told of everybody who begins to look on, and is to be answered.
    pub(crate) greet: Arc<Notify>,
}

impl Publisher {
    /// Publishes until it is dropped; nothing waits for it.
    pub(crate) async fn run(self, tails: Tails) {
        let following = tails.follow(&self.collection, Wanted::default());
        let mut from = 0;
        loop {
            let taken = tokio::select! {
                () = self.greet.notified() => None,
                taken = following.queue.take() => taken,
            };
            let taken = taken.unwrap_or_default();
            let count = taken.events.len() as u64;
            match self.message(from, &taken) {
                Some(message) => self.publish(&message).await,
                None => tracing::debug!(collection = %self.collection, "events have no JSON"),
            }
            // What was not published, or not in time, leaves a gap.
            from += count + taken.missed;
            let bytes: usize = taken.events.iter().map(|event| event.json.len()).sum();
            tokio::time::sleep(INTERVAL.max(PACE * u32::try_from(bytes / 1024).unwrap_or(u32::MAX))).await;
        }
    }

    fn message(&self, from: u64, taken: &Taken) -> Option<Vec<u8>> {
        let mut events = Vec::with_capacity(taken.events.len());
        for event in &taken.events {
            events.push(serde_json::from_slice(&event.json).ok()?);
        }
        let us = self.engine.worker();
        let status = self.engine.status();
        let publication = Publication {
            worker: us.clone(),
            is_holder: status
                .iter()
                .any(|status| status.collection == self.collection && status.holder.as_ref() == Some(us)),
            from,
            events,
            missed: taken.missed,
        };
        serde_json::to_vec(&publication).ok()
    }

    async fn publish(&self, message: &[u8]) {
        let told = self.redis.publish_to_tails(&self.collection, message).await;
        if let Err(error) = told {
            tracing::debug!(collection = %self.collection, %error, "those who look on miss something");
        }
    }
}
