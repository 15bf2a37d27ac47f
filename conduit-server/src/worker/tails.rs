//! Tells those who look on in other processes what becomes of records.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use conduit_core::CollectionName;
use conduit_state::{RedisStore, Tail};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

use super::Worker;
use crate::tail::Publisher;

/// How often it is asked who looks on, though it is announced.
const INTERVAL: Duration = Duration::from_secs(2);

/// Who looks on at a collection, and the task that tells them.
#[derive(Debug)]
struct Audience {
    ids: HashSet<String>,
    greet: Arc<Notify>,
    publishing: AbortHandle,
}

impl Worker {
    /// Publishes records of the collections that somebody in another process looks on at, and of no others. Never ends;
    /// without Redis there is no other process.
    pub(crate) async fn publish_records(&self) {
        let Some(redis) = self.bulletin.redis() else {
            return std::future::pending().await;
        };
        let mut announcements = redis.subscribe_tails();
        let mut audiences = HashMap::new();
        let mut publishing = JoinSet::new();
        loop {
            match redis.tails().await {
                Ok(tails) => self.attend(redis, tails, &mut audiences, &mut publishing),
                Err(error) => tracing::debug!(%error, "it is not known who looks on"),
            }
            while publishing.try_join_next().is_some() {}
            tokio::select! {
                () = announcements.next() => {}
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }

    /// Begins to publish what somebody looks on at, greets who is new, and ends what nobody looks on at any more.
    fn attend(
        &self,
        redis: &Arc<RedisStore>,
        tails: Vec<Tail>,
        audiences: &mut HashMap<CollectionName, Audience>,
        publishing: &mut JoinSet<()>,
    ) {
        let mut wanted: HashMap<CollectionName, HashSet<String>> = HashMap::new();
        for tail in tails {
            if !self.tails.is_own(&tail.id) {
                wanted.entry(tail.collection).or_default().insert(tail.id);
            }
        }
        audiences.retain(|collection, audience| {
            let stays = wanted.contains_key(collection) && !audience.publishing.is_finished();
            if !stays {
                audience.publishing.abort();
            }
            stays
        });
        for (collection, ids) in wanted {
            let audience = audiences
                .entry(collection)
                .or_insert_with_key(|collection| self.audience(redis, collection, publishing));
            if !ids.is_subset(&audience.ids) {
                audience.greet.notify_one();
            }
            audience.ids = ids;
        }
    }

    fn audience(
        &self,
        redis: &Arc<RedisStore>,
        collection: &CollectionName,
        publishing: &mut JoinSet<()>,
    ) -> Audience {
        let greet = Arc::new(Notify::new());
        let publisher = Publisher {
            redis: Arc::clone(redis),
            engine: self.handle.clone(),
            collection: collection.clone(),
            greet: Arc::clone(&greet),
        };
        Audience {
            ids: HashSet::new(),
            greet,
            publishing: publishing.spawn(publisher.run(self.tails.clone())),
        }
    }
}
