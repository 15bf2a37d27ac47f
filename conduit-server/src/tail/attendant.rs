//! Keeps one reader's queue fed from other processes, and ends it with its collection.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::{CollectionName, Handle, WorkerId};
use conduit_state::{RedisStore, TailNews, TailSubscription};
use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::event::Event;
use super::publication::Publication;
use super::queue::Queue;
use super::tails::Tails;
use crate::bulletin::Bulletin;
use crate::catalog::Catalog;

/// How often it is said that somebody looks on.
const RENEWAL: Duration = Duration::from_secs(2);
/// How often the collection is looked for though nobody told of a change.
const LOOK_INTERVAL: Duration = Duration::from_secs(30);
/// How long whoever holds the collection may take to answer before it is said that the stream is open. Maybe nobody does.
const PATIENCE: Duration = Duration::from_secs(2);

/// Attends to one reader until it is dropped.
#[derive(Debug)]
pub(crate) struct Attendant {
    pub(crate) tails: Tails,
    pub(crate) catalog: Catalog,
    pub(crate) bulletin: Bulletin,
    /// This process's own engine, if it has one.
    pub(crate) engine: Option<Handle>,
    pub(crate) collection: CollectionName,
    pub(crate) queue: Arc<Queue>,
    /// Set to true once whatever happens from then on is seen.
    pub(crate) is_open: watch::Sender<bool>,
}

/// The id under which others know that this process follows.
#[derive(Debug)]
struct Announced<'a> {
    tails: &'a Tails,
    id: Option<String>,
}

impl Attendant {
    /// Attends for ever. What it waits for comes in any order: news of other processes, the moment to say again that somebody
    /// looks on, and signs that the collection may be gone.
    pub(crate) async fn run(self) {
        let mut changes = self.bulletin.changes_here();
        let redis = self.bulletin.redis().cloned();
        let mut news = redis.as_ref().map(|redis| redis.subscribe_tail(&self.collection));
        let mut announced = Announced {
            tails: &self.tails,
            id: None,
        };
        let mut expected: HashMap<WorkerId, u64> = HashMap::new();
        let mut renewal = interval(RENEWAL);
        renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut look = interval(LOOK_INTERVAL);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let patience = Instant::now() + PATIENCE;
        if redis.is_none() || self.is_held_here() {
            self.is_open.send_replace(true);
        }
        let (mut listens, mut is_doubtful) = (false, false);
        let mut looking = None;
        loop {
            if is_doubtful && looking.is_none() {
                is_doubtful = false;
                looking = Some(self.look());
            }
            tokio::select! {
                heard = hear(&mut news) => match heard {
                    TailNews::Published(message) => self.take(&message, &mut expected),
                    TailNews::Began => {
                        listens = true;
                        self.announce(redis.as_deref(), &mut announced).await;
                    }
                    TailNews::ConfigChange(name) => is_doubtful |= name == self.collection.as_str(),
                },
                _ = renewal.tick() => {
                    // Not before it is listened to, so that no answer is lost.
                    if listens {
                        self.announce(redis.as_deref(), &mut announced).await;
                    }
                }
                _ = changes.changed() => is_doubtful = true,
                _ = look.tick() => is_doubtful = true,
                is_gone = seen(&mut looking) => {
                    if is_gone {
                        self.queue.end();
                    }
                }
                () = sleep_until(patience), if !*self.is_open.borrow() => {
                    self.is_open.send_replace(true);
                }
            }
        }
    }

    fn is_held_here(&self) -> bool {
        self.engine.as_ref().is_some_and(|engine| {
            let is_held = |status: &conduit_core::CollectionStatus| {
                status.collection == self.collection && status.holder.as_ref() == Some(engine.worker())
            };
            engine.status().iter().any(is_held)
        })
    }

    /// Says that somebody looks on.
    async fn announce(&self, redis: Option<&RedisStore>, announced: &mut Announced<'_>) {
        let Some(redis) = redis else { return };
        match redis.put_tail(&self.collection, announced.id.as_deref()).await {
            Ok(id) => announced.set(id),
            Err(error) => tracing::debug!(%error, "nobody is told that somebody looks on"),
        }
    }

    /// Takes what another process told.
    fn take(&self, message: &[u8], expected: &mut HashMap<WorkerId, u64>) {
        let publication: Publication<'_> = match serde_json::from_slice(message) {
            Ok(publication) => publication,
            // Of a worker of another version.
            Err(error) => return tracing::debug!(%error, "what a worker told is not understood"),
        };
        let worker = &publication.worker;
        if self
            .engine
            .as_ref()
            .is_some_and(|engine| engine.worker() == worker)
        {
            return;
        }
        let next = publication.from + publication.events.len() as u64 + publication.missed;
        if let Some(expected) = expected.insert(worker.clone(), next)
            && publication.from > expected
        {
            self.queue.miss(publication.from - expected);
        }
        for event in publication.events {
            if let Some(event) = Event::from_json(RawValue::get(event))
                && self.queue.wanted.matches(&event.destination, event.record_type)
            {
                self.queue.push(event);
            }
        }
        if publication.missed > 0 {
            self.queue.miss(publication.missed);
        }
        if publication.is_holder {
            self.is_open.send_replace(true);
        }
    }

    /// Looks whether the collection is not configured any more. In a task of its own, so that the driver's future runs to its
    /// end whatever happens to this one, and that nothing waits for it.
    fn look(&self) -> JoinHandle<bool> {
        let (catalog, name) = (self.catalog.clone(), self.collection.clone());
        tokio::spawn(async move {
            let found = catalog.get(name.as_str()).await;
            found.is_ok_and(|entry| entry.is_none_or(|entry| entry.deleting.is_some()))
        })
    }
}

impl Announced<'_> {
    fn set(&mut self, id: String) {
        if self.id.as_ref() != Some(&id) {
            self.tails.note_own(id.clone());
            self.id = Some(id);
        }
    }
}

/// Others forget it by themselves, soon.
impl Drop for Announced<'_> {
    fn drop(&mut self) {
        if let Some(id) = &self.id {
            self.tails.forget_own(id);
        }
    }
}

/// Waits for a look to end and takes it away; for ever where there is none.
async fn seen(looking: &mut Option<JoinHandle<bool>>) -> bool {
    let Some(task) = looking else {
        return std::future::pending().await;
    };
    let is_gone = task.await.unwrap_or(false);
    *looking = None;
    is_gone
}

/// Waits for news; for ever where there is no other process.
async fn hear(news: &mut Option<TailSubscription>) -> TailNews {
    match news {
        Some(news) => news.next().await,
        None => std::future::pending().await,
    }
}
