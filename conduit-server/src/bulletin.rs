//! What API and worker tell each other: that the configuration changed, and how the worker does.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use conduit_core::{CollectionName, CollectionStatus, StateError, WorkerId};
use conduit_state::{Announcement, Announcements, RedisStore, WorkerStatus};
use tokio::sync::watch;

/// How old a published status may be; live workers publish every second.
const LONGEST_SILENCE: Duration = Duration::from_secs(3);
/// How long who changes the configuration waits for the worker of the same process.
const PATIENCE: Duration = Duration::from_secs(1);

/// Told within this process, and through Redis to other processes if there is one.
#[derive(Clone, Debug)]
pub(crate) struct Bulletin {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    redis: Option<Arc<RedisStore>>,
    /// How many changes were told of here.
    changes: watch::Sender<u64>,
    /// Whether this process has a worker.
    has_worker: AtomicBool,
    /// How many of them this process's worker follows, if it has one.
    followed: watch::Sender<u64>,
    statuses: Mutex<BTreeMap<WorkerId, Vec<CollectionStatus>>>,
}

/// Workers with what they say of their collections.
pub(crate) type Published = Vec<(WorkerId, Vec<CollectionStatus>)>;

/// Yields whenever the configuration may have changed.
#[derive(Debug)]
pub(crate) struct Changes {
    local: watch::Receiver<u64>,
    redis: Option<Announcements>,
}

impl Bulletin {
    pub(crate) fn new(redis: Option<Arc<RedisStore>>) -> Self {
        let shared = Shared {
            redis,
            changes: watch::Sender::new(0),
            has_worker: AtomicBool::new(false),
            followed: watch::Sender::new(0),
            statuses: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Tells that a collection's configuration changed, and waits a moment until this process's worker follows it, so that it
    /// is in force when its request is answered. A Redis that is down is no error: workers poll.
    pub(crate) async fn tell_change(&self, collection: &CollectionName) {
        self.tell_change_here();
        let told = self.told();
        if let Some(redis) = &self.shared.redis
            && let Err(error) = redis.publish_config_change(collection).await
        {
            tracing::warn!(%collection, %error, "the change is not announced: workers see it at their next poll");
        }
        if self.shared.has_worker.load(Ordering::Relaxed) {
            let mut followed = self.shared.followed.subscribe();
            let caught_up = followed.wait_for(|followed| *followed >= told);
            // One that cannot follow now does so later.
            let _ = tokio::time::timeout(PATIENCE, caught_up).await;
        }
    }

    /// How many changes were told of in this process.
    pub(crate) fn told(&self) -> u64 {
        *self.shared.changes.borrow()
    }

    /// Notes that this process's worker follows the configuration as it was after so many changes.
    pub(crate) fn note_followed(&self, told: u64) {
        self.shared.followed.send_replace(told);
    }

    /// Tells this process alone that there is something new in the configuration.
    pub(crate) fn tell_change_here(&self) {
        self.shared.changes.send_modify(|count| *count += 1);
    }

    /// What connects this process to others, if anything does.
    pub(crate) fn redis(&self) -> Option<&Arc<RedisStore>> {
        self.shared.redis.as_ref()
    }

    /// Yields the signs of a change that this process gives itself.
    pub(crate) fn changes_here(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// Yields the signs of a change to this process's worker.
    pub(crate) fn changes(&self) -> Changes {
        self.shared.has_worker.store(true, Ordering::Relaxed);
        Changes {
            local: self.shared.changes.subscribe(),
            redis: self
                .shared
                .redis
                .as_ref()
                .map(|redis| redis.subscribe_announcements()),
        }
    }

    /// Publishes how a worker does.
    pub(crate) async fn put_status(
        &self,
        worker: &WorkerId,
        status: Vec<CollectionStatus>,
    ) -> Result<(), StateError> {
        let Some(redis) = &self.shared.redis else {
            self.statuses_here().insert(worker.clone(), status);
            return Ok(());
        };
        let text = serde_json::to_string(&status)
            .map_err(|error| StateError::corrupt("a status has no JSON").with_source(error))?;
        redis.put_status(worker, &text).await
    }

    /// Takes a worker's status back, since it ends.
    pub(crate) async fn drop_status(&self, worker: &WorkerId) -> Result<(), StateError> {
        match &self.shared.redis {
            Some(redis) => redis.drop_status(worker).await,
            None => {
                self.statuses_here().remove(worker);
                Ok(())
            }
        }
    }

    /// Returns what every live worker says of its collections.
    pub(crate) async fn statuses(&self) -> Result<Vec<(WorkerId, CollectionStatus)>, StateError> {
        let published = self.published().await?.into_iter();
        let each = published.flat_map(|(worker, own)| {
            let named = move |status| (worker.clone(), status);
            own.into_iter().map(named)
        });
        Ok(each.collect())
    }

    /// Returns every live worker with what it says, be that nothing.
    pub(crate) async fn published(&self) -> Result<Published, StateError> {
        match &self.shared.redis {
            Some(redis) => Ok(read_statuses(redis.statuses().await?)),
            None => Ok(self.statuses_here().clone().into_iter().collect()),
        }
    }

    fn statuses_here(&self) -> std::sync::MutexGuard<'_, BTreeMap<WorkerId, Vec<CollectionStatus>>> {
        self.shared
            .statuses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Changes {
    /// Waits for the next sign of a change. Cancel-safe.
    pub(crate) async fn next(&mut self) {
        let Some(redis) = &mut self.redis else {
            // The sender lives as long as the process's bulletin.
            return drop(self.local.changed().await);
        };
        loop {
            let told = tokio::select! {
                _ = self.local.changed() => return,
                told = redis.next() => told,
            };
            if !matches!(told, Announcement::Command(_)) {
                return;
            }
        }
    }
}

/// Reads what workers published, but for those that have been silent for a while.
pub(crate) fn read_statuses(published: Vec<WorkerStatus>) -> Published {
    // A worker that is silent is gone, or will say something else.
    let live = published
        .into_iter()
        .filter(|published| published.age <= LONGEST_SILENCE);
    let read = |published: WorkerStatus| {
        // A worker of another version may say what this one does not understand.
        let own = serde_json::from_str(&published.status).unwrap_or_else(|error| {
            tracing::debug!(worker = %published.worker, %error, "a status is not understood");
            Vec::new()
        });
        (published.worker, own)
    };
    live.map(read).collect()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_worker_that_is_silent_for_three_seconds_counts_for_nothing() {
        let published = |name: &str, millis| WorkerStatus {
            worker: WorkerId::new(name),
            status: r#"[{"collection": "orders", "holder": null, "destinations": []}]"#.to_owned(),
            age: Duration::from_millis(millis),
        };
        let all = read_statuses(vec![published("live", 900), published("silent", 3_001)]);
        let workers: Vec<&str> = all.iter().map(|(worker, _)| worker.as_str()).collect();
        assert_eq!(workers, ["live"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_told_when_the_worker_of_the_process_follows_it_or_after_a_moment() {
        let bulletin = Bulletin::new(None);
        let orders = CollectionName::new("orders").unwrap();
        // Without a worker there is nobody to wait for, whoever else wants to know.
        let _looking_on = bulletin.changes_here();
        assert_eq!(bulletin.tell_change(&orders).now_or_never(), Some(()));
        let changes = bulletin.changes();
        let mut telling = std::pin::pin!(bulletin.tell_change(&orders));
        assert_eq!(telling.as_mut().now_or_never(), None);
        bulletin.note_followed(1);
        assert_eq!(telling.as_mut().now_or_never(), None);
        bulletin.note_followed(2);
        assert_eq!(telling.now_or_never(), Some(()));
        // One that cannot follow keeps nobody for long.
        bulletin.tell_change(&orders).await;
        drop(changes);
    }
}
