//! What waits for one reader.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use conduit_core::{DestinationId, RecordType};
use tokio::sync::Notify;

use super::event::Event;

/// Most events that wait.
const MAX_EVENTS: usize = 1000;
/// So many bytes may wait; the last event may go beyond it.
const MAX_BYTES: usize = 1024 * 1024;

/// Which events a reader wants to see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Those of one destination; all without it.
    pub(crate) destination: Option<DestinationId>,
    /// Those of records of these types; all without it.
    pub(crate) event_types: Option<Vec<RecordType>>,
}

impl Wanted {
    pub(crate) fn matches(&self, destination: &DestinationId, record_type: RecordType) -> bool {
        let is_type = |wanted: &Vec<RecordType>| wanted.contains(&record_type);
        self.destination
            .as_ref()
            .is_none_or(|wanted| wanted == destination)
            && self.event_types.as_ref().is_none_or(is_type)
    }
}

/// Events on their way to one reader; bounded. Who puts one in never waits.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) wanted: Wanted,
    waiting: Mutex<Waiting>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Event>,
    bytes: usize,
    /// How many came while it was full, after those that wait.
    missed: u64,
    is_ended: bool,
}

/// What a reader takes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// In the order in which they came.
    pub(crate) events: VecDeque<Event>,
    /// How many came after these and are lost.
    pub(crate) missed: u64,
}

impl Queue {
    pub(crate) fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            waiting: Mutex::default(),
            news: Notify::new(),
        }
    }

    /// Whether an event would be taken; if it would not, one more is missed. Asked before it is written.
    pub(crate) fn has_room(&self) -> bool {
        let mut waiting = self.waiting();
        let has_room = waiting.has_room();
        if !has_room {
            waiting.missed += 1;
        }
        has_room
    }

    /// Puts an event in; if there is no room, one more is missed.
    pub(crate) fn push(&self, event: Event) {
        let mut waiting = self.waiting();
        if waiting.has_room() {
            waiting.bytes += event.json.len();
            waiting.events.push_back(event);
        } else {
            waiting.missed += 1;
        }
        drop(waiting);
        self.news.notify_one();
    }

    /// Notes that so many were lost elsewhere.
    pub(crate) fn miss(&self, count: u64) {
        self.waiting().missed += count;
        self.news.notify_one();
    }

    /// Nothing more comes.
    pub(crate) fn end(&self) {
        self.waiting().is_ended = true;
        self.news.notify_one();
    }

    /// Waits for events and takes them all; `None` once nothing comes any more. For one reader. Cancel-safe.
    pub(crate) async fn take(&self) -> Option<Taken> {
        loop {
            {
                let mut waiting = self.waiting();
                if waiting.missed > 0 || !waiting.events.is_empty() {
                    waiting.bytes = 0;
                    return Some(Taken {
                        events: std::mem::take(&mut waiting.events),
                        missed: std::mem::take(&mut waiting.missed),
                    });
                }
                if waiting.is_ended {
                    return None;
                }
            }
            // What came since is remembered.
            self.news.notified().await;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // What is behind the lock is whole at every moment.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Once one was missed all are until the reader comes, so that it knows where the gap is.
    fn has_room(&self) -> bool {
        self.missed == 0 && self.events.len() < MAX_EVENTS && self.bytes < MAX_BYTES && !self.is_ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(bytes: usize) -> Event {
        Event {
            destination: DestinationId::new("d").unwrap(),
            record_type: RecordType::Insert,
            json: vec![b'x'; bytes].into(),
        }
    }

    #[tokio::test]
    async fn a_reader_that_is_too_slow_misses_what_came_after_a_full_queue_and_is_told_how_many() {
        for (bytes, fit) in [(1, MAX_EVENTS), (300 * 1024, 4)] {
            let queue = Queue::new(Wanted::default());
            for _ in 0..fit + 7 {
                queue.push(event(bytes));
            }
            assert!(!queue.has_room());
            let taken = queue.take().await.unwrap();
            assert_eq!((taken.events.len(), taken.missed), (fit, 8));
            assert!(queue.has_room());
        }
    }

    #[tokio::test]
    async fn after_one_that_was_missed_none_is_taken_until_the_reader_comes() {
        let queue = Queue::new(Wanted::default());
        queue.miss(3);
        queue.push(event(1));
        let taken = queue.take().await.unwrap();
        assert_eq!((taken.events.len(), taken.missed), (0, 4));
    }

    #[tokio::test]
    async fn what_waits_at_the_end_is_taken_before_it() {
        let queue = Queue::new(Wanted::default());
        queue.push(event(1));
        queue.end();
        queue.push(event(1));
        let taken = queue.take().await.unwrap();
        assert_eq!((taken.events.len(), taken.missed), (1, 1));
        assert_eq!(queue.take().await, None);
    }

    #[test]
    fn a_reader_sees_what_it_wants() {
        let [d, e] = ["d", "e"].map(|id| DestinationId::new(id).unwrap());
        let all = Wanted::default();
        assert!(all.matches(&d, RecordType::Remove));
        let some = Wanted {
            destination: Some(d.clone()),
            event_types: Some(vec![RecordType::Insert]),
        };
        assert!(some.matches(&d, RecordType::Insert));
        assert!(!some.matches(&e, RecordType::Insert) && !some.matches(&d, RecordType::Modify));
    }
}
