//! Who looks on at which collections in this process.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conduit_core::{CollectionName, Settlement};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::event::Event;
use super::queue::{Queue, Wanted};

/// Most readers of one API at the same time.
pub(crate) const MAX_READERS: usize = 64;

/// The queues of all who look on. Cheap to clone.
///
/// While nobody does, the engine's question costs one load of a counter that does not change.
#[derive(Clone, Debug)]
pub(crate) struct Tails {
    shared: Arc<Shared>,
    /// Turns true when the server stops.
    shutdown: watch::Receiver<bool>,
}

#[derive(Debug)]
struct Shared {
    /// How many queues there are; read without the lock.
    count: AtomicUsize,
    queues: Mutex<HashMap<CollectionName, Vec<Arc<Queue>>>>,
    /// What this process follows in the eyes of others, by id.
    own: Mutex<HashSet<String>>,
    places: Arc<Semaphore>,
}

/// A queue that is fed; not any more once this is dropped.
#[derive(Debug)]
pub(crate) struct Following {
    tails: Tails,
    collection: CollectionName,
    pub(crate) queue: Arc<Queue>,
    /// A reader's place, given back with this.
    place: Option<OwnedSemaphorePermit>,
}

impl Tails {
    pub(crate) fn new(shutdown: watch::Receiver<bool>) -> Self {
        let shared = Shared {
            count: AtomicUsize::new(0),
            queues: Mutex::default(),
            own: Mutex::default(),
            places: Arc::new(Semaphore::new(MAX_READERS)),
        };
        Self {
            shared: Arc::new(shared),
            shutdown,
        }
    }

    /// Feeds a reader's queue with what this process's engine tells of a collection; `None` if no place is left.
    pub(crate) fn read(&self, collection: &CollectionName, wanted: Wanted) -> Option<Following> {
        let place = Arc::clone(&self.shared.places).try_acquire_owned().ok()?;
        let mut following = self.follow(collection, wanted);
        following.place = Some(place);
        Some(following)
    }

    /// Feeds a queue with what this process's engine tells of a collection.
    pub(crate) fn follow(&self, collection: &CollectionName, wanted: Wanted) -> Following {
        let queue = Arc::new(Queue::new(wanted));
        let mut queues = self.queues();
        queues
            .entry(collection.clone())
            .or_default()
            .push(Arc::clone(&queue));
        self.shared.count.fetch_add(1, Ordering::SeqCst);
        Following {
            tails: self.clone(),
            collection: collection.clone(),
            queue,
            place: None,
        }
    }

    /// Whether anybody looks on at a collection.
    pub(crate) fn is_followed(&self, collection: &CollectionName) -> bool {
        self.shared.count.load(Ordering::SeqCst) > 0 && self.queues().contains_key(collection)
    }

    /// Tells all who look on. The lock is not held while the event is written, and nothing is written that has no room.
    pub(crate) fn tell(&self, settlement: &Settlement<'_>) {
        let (id, record_type) = (settlement.subscription, settlement.record.record_type());
        let told: Vec<Arc<Queue>> = match self.queues().get(&id.collection) {
            Some(queues) => {
                let wants = |queue: &&Arc<Queue>| queue.wanted.matches(&id.destination, record_type);
                queues.iter().filter(wants).cloned().collect()
            }
            None => return,
        };
        let told: Vec<Arc<Queue>> = told.into_iter().filter(|queue| queue.has_room()).collect();
        if told.is_empty() {
            return;
        }
        if let Some(event) = Event::of(settlement) {
            for queue in told {
                queue.push(event.clone());
            }
        }
    }

    /// Waits for the server's stop.
    pub(crate) async fn stopping(&self) {
        // The sender lives as long as the process.
        let _ = self.shutdown.clone().wait_for(|stop| *stop).await;
    }

    /// Notes under which id others know that this process follows, so that its own worker does not tell it twice.
    pub(crate) fn note_own(&self, id: String) {
        self.own().insert(id);
    }

    /// Forgets such an id.
    pub(crate) fn forget_own(&self, id: &str) {
        self.own().remove(id);
    }

    /// Whether it is this process that follows under this id.
    pub(crate) fn is_own(&self, id: &str) -> bool {
        self.own().contains(id)
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<CollectionName, Vec<Arc<Queue>>>> {
        self.shared.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn own(&self) -> MutexGuard<'_, HashSet<String>> {
        self.shared.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let mut queues = self.tails.queues();
        if let Some(all) = queues.get_mut(&self.collection) {
            all.retain(|queue| !Arc::ptr_eq(queue, &self.queue));
            if all.is_empty() {
                queues.remove(&self.collection);
            }
        }
        self.tails.shared.count.fetch_sub(1, Ordering::SeqCst);
        self.place = None;
    }
}
