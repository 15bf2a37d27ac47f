//! What waits between a group and one of its subscriptions.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::contract::StreamBatch;
use crate::engine::budget::Budget;

/// What a group tells a subscription.
#[derive(Debug)]
pub(crate) enum HubEvent {
    /// The subscription's records of a batch, and the position after them; perhaps no records, but a newer position.
    Batch(StreamBatch),
    /// The stream failed and will be opened again; the message says why.
    Interrupted(Arc<str>),
    /// The history after the position is gone. Nothing more comes.
    HistoryLost,
}

impl HubEvent {
    /// Whether nobody needs to hear of it before `next`, which is newer.
    fn is_outdated_by(&self, next: &Self) -> bool {
        match self {
            // The position is told again once the stream is open again.
            Self::Batch(last) => last.records.is_empty() && !matches!(next, Self::HistoryLost),
            Self::Interrupted(_) => matches!(next, Self::Interrupted(_)),
            Self::HistoryLost => false,
        }
    }
}

/// Wakes a group when something changed for it outside.
#[derive(Debug, Default)]
pub(super) struct Wake {
    notify: Notify,
    /// Whether a subscription went since it was last asked.
    has_left: AtomicBool,
}

impl Wake {
    /// Waits until something changed; what changed before the call counts.
    pub(super) async fn woken(&self) {
        self.notify.notified().await;
    }

    /// Whether a subscription went since the last call.
    pub(super) fn take_left(&self) -> bool {
        self.has_left.swap(false, Ordering::AcqRel)
    }
}

/// How much may wait in a queue before no further batch is taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) records: usize,
    pub(super) bytes: usize,
}

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    filled: Notify,
    wake: Arc<Wake>,
    /// Whether a run reads for it.
    is_attached: AtomicBool,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<HubEvent>,
    records: usize,
    bytes: usize,
    /// The group wants to know when there is room.
    wants_room: bool,
    is_closed: bool,
}

impl Waiting {
    fn count(&mut self, batch: &StreamBatch) {
        self.records += batch.records.len();
        self.bytes += size(batch);
    }

    fn discount(&mut self, batch: &StreamBatch) {
        self.records -= batch.records.len();
        self.bytes -= size(batch);
    }
}

fn size(batch: &StreamBatch) -> usize {
    batch.records.iter().map(|record| record.size()).sum()
}

/// A group's end of a queue.
#[derive(Debug)]
pub(super) struct Queue {
    shared: Arc<Shared>,
    bounds: Bounds,
    budget: Arc<Budget>,
}

/// A subscription's end of its queue. Dropping it ends the membership.
#[derive(Debug)]
pub(crate) struct Intake {
    shared: Arc<Shared>,
}

/// Makes both ends.
pub(super) fn queue(bounds: Bounds, budget: Arc<Budget>, wake: Arc<Wake>) -> (Queue, Intake) {
    let shared = Arc::new(Shared {
        waiting: Mutex::default(),
        filled: Notify::new(),
        wake,
        is_attached: AtomicBool::new(false),
    });
    let intake = Intake {
        shared: Arc::clone(&shared),
    };
    let queue = Queue {
        shared,
        bounds,
        budget,
    };
    (queue, intake)
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics while the lock is held.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Notes whether a run reads for the subscription.
    pub(super) fn set_attached(&self, is_attached: bool) {
        self.shared.is_attached.store(is_attached, Ordering::Release);
    }

    /// Whether nobody takes anything any more.
    pub(super) fn is_closed(&self) -> bool {
        self.shared.waiting().is_closed
    }

    /// Whether a batch, of whatever size, may be put in. If not, the group is woken when it may.
    pub(super) fn has_room(&self) -> bool {
        let mut waiting = self.shared.waiting();
        let bytes = self.bounds.bytes.min(self.budget.share());
        let has_room = waiting.records < self.bounds.records && waiting.bytes < bytes;
        waiting.wants_room |= !has_room;
        has_room
    }

    /// Whether everything was taken. If not, the group is woken when it is.
    pub(super) fn is_empty(&self) -> bool {
        let mut waiting = self.shared.waiting();
        let is_empty = waiting.records == 0;
        waiting.wants_room |= !is_empty;
        is_empty
    }

    /// Puts an event in. Positions and failures that nobody has heard of yet are replaced by newer ones, so that what waits
    /// is bounded by the records.
    pub(super) fn put(&self, event: HubEvent) {
        let mut waiting = self.shared.waiting();
        if waiting.is_closed {
            return;
        }
        if let HubEvent::Batch(batch) = &event {
            waiting.count(batch);
        }
        while waiting
            .events
            .back()
            .is_some_and(|last| last.is_outdated_by(&event))
        {
            waiting.events.pop_back();
        }
        waiting.events.push_back(event);
        drop(waiting);
        self.shared.filled.notify_one();
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.shared.waiting().is_closed = true;
        self.shared.filled.notify_one();
    }
}

impl Intake {
    /// Whether a run reads for it; else its turn comes.
    pub(crate) fn is_attached(&self) -> bool {
        self.shared.is_attached.load(Ordering::Acquire)
    }

    /// Waits for the next event; `None` once the group has ended and everything was taken. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<HubEvent> {
        loop {
            {
                let mut waiting = self.shared.waiting();
                if let Some(event) = waiting.events.pop_front() {
                    if let HubEvent::Batch(batch) = &event {
                        waiting.discount(batch);
                    }
                    // The group looks for itself whether this is enough.
                    if std::mem::take(&mut waiting.wants_room) {
                        self.shared.wake.notify.notify_one();
                    }
                    return Some(event);
                }
                if waiting.is_closed {
                    return None;
                }
            }
            self.shared.filled.notified().await;
        }
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        {
            let mut waiting = self.shared.waiting();
            waiting.is_closed = true;
            waiting.events = VecDeque::new();
        }
        self.shared.wake.has_left.store(true, Ordering::Release);
        self.shared.wake.notify.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{ClusterTime, Position};

    fn empty(seconds: u32) -> HubEvent {
        HubEvent::Batch(StreamBatch {
            records: Vec::new(),
            position: Position::at_time(ClusterTime::new(seconds, 0)),
            reached_end: true,
        })
    }

    #[tokio::test]
    async fn a_newer_position_takes_the_place_of_one_that_nobody_heard_of() {
        let bounds = Bounds { records: 1, bytes: 1 };
        let (queue, mut intake) = queue(bounds, Budget::new(1), Arc::default());
        for seconds in 1..4 {
            queue.put(empty(seconds));
        }
        let Some(HubEvent::Batch(batch)) = intake.next().await else {
            panic!("a batch was put in");
        };
        assert_eq!(batch.position.time(), ClusterTime::new(3, 0));
        queue.put(HubEvent::HistoryLost);
        drop(queue);
        assert!(matches!(intake.next().await, Some(HubEvent::HistoryLost)));
        assert!(intake.next().await.is_none());
    }

    #[tokio::test]
    async fn of_failures_that_nobody_heard_of_only_the_last_waits() {
        let bounds = Bounds { records: 1, bytes: 1 };
        let (queue, mut intake) = queue(bounds, Budget::new(1), Arc::default());
        for attempt in 0..1000 {
            queue.put(HubEvent::Interrupted(format!("attempt {attempt}").into()));
            queue.put(empty(attempt));
        }
        drop(queue);
        let mut waiting = 0;
        while intake.next().await.is_some() {
            waiting += 1;
        }
        assert_eq!(waiting, 2);
    }

    #[tokio::test]
    async fn a_subscription_that_goes_wakes_the_group() {
        let wake = Arc::new(Wake::default());
        let bounds = Bounds { records: 1, bytes: 1 };
        let (queue, intake) = queue(bounds, Budget::new(1), Arc::clone(&wake));
        assert!(!wake.take_left() && !queue.is_closed());
        drop(intake);
        wake.woken().await;
        assert!(wake.take_left() && queue.is_closed());
    }
}
