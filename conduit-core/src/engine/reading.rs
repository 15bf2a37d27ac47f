//! How a subscription reads: attached to the stream, or keeping its position only.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::feed::{Feed, FeedEvent, Needs};
use super::status::SubscriptionPhase;
use super::subscription::{End, Subscription};
use super::tracker::Arrival;
use crate::contract::{BatchLimits, SettledAs};
use crate::delivery::Health;
use crate::value::{Position, Record, WallTime};

/// Most records of one read.
pub(super) const MAX_READ_RECORDS: usize = 1000;
/// How long a read waits for a first record.
const READ_WAIT: Duration = Duration::from_secs(1);
/// A stream that is behind by more than this is catching up.
const CATCHING_UP_AFTER: Duration = Duration::from_secs(10);

/// Whether a stream is being read.
#[derive(Debug)]
pub(super) enum Reading {
    /// It is; the task is the feed's.
    On(mpsc::Receiver<FeedEvent>, JoinHandle<()>),
    /// Not any more, and what is being sent has not settled yet.
    Leaving,
    /// Nothing but the position is kept.
    Off,
    /// The history after the position is gone.
    Lost,
}

impl Reading {
    /// Waits for what the feed has to tell, for ever if there is none. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<FeedEvent> {
        match self {
            Self::On(events, _) => events.recv().await,
            Self::Leaving | Self::Off | Self::Lost => std::future::pending().await,
        }
    }

    /// Stops reading for good.
    pub(super) async fn stop(&mut self) {
        if let Self::On(events, reader) = std::mem::replace(self, Self::Leaving) {
            drop(events);
            reader.abort();
            // Aborting is how it ends; its streams are safe to drop.
            let _ = reader.await;
        }
    }
}

impl Subscription {
    /// Attaches or detaches, as the destination does. While it fails as a whole the subscription keeps only its position,
    /// and what it read already is called back.
    pub(super) fn follow_health(&mut self) {
        let health = self.health.borrow_and_update().clone();
        // Lost history is for an operator, whatever the destination does.
        if matches!(self.reading, Reading::Lost) {
            return;
        }
        let now = self.context.clock.now();
        match &health {
            Health::Held(reason) | Health::Trying(reason) => {
                self.status
                    .set_phase(SubscriptionPhase::Holding, Some(reason.to_string()), now);
            }
            Health::Serving => {
                self.status
                    .leave_phase(SubscriptionPhase::Holding, SubscriptionPhase::CatchingUp, now);
            }
        }
        if matches!(health, Health::Held(_))
            && let Reading::On(_, reader) = &self.reading
        {
            reader.abort();
            self.reading = Reading::Leaving;
            self.dispatcher.recall();
            self.status.detached();
        }
        self.follow_reading();
    }

    /// Forgets what was read once nothing of it is being sent any more, and reads again once the destination takes records.
    pub(super) fn follow_reading(&mut self) {
        if matches!(self.reading, Reading::Leaving) && !self.in_hand.is_on_lanes() {
            // What of it needs nothing when it is read again, besides what was not read again yet.
            self.settled.extend(self.tracker.forget());
            self.reading = Reading::Off;
        }
        if !matches!(*self.health.borrow(), Health::Held(_)) && matches!(self.reading, Reading::Off) {
            self.read();
        }
    }

    fn read(&mut self) {
        let feed = Feed {
            id: self.id.clone(),
            watcher: Arc::clone(&self.context.watcher),
            store: Arc::clone(&self.context.store),
            target: self.target.clone(),
            filter: self.filter.clone(),
            recovery: self.recovery,
            limits: BatchLimits {
                max_records: MAX_READ_RECORDS,
                max_bytes: self.context.settings.max_read_bytes,
                max_wait: READ_WAIT,
            },
        };
        // One batch waits here while the next is being read.
        let (events, feed_events) = mpsc::channel(1);
        let reader = tokio::spawn(feed.run(self.tracker.position().clone(), events));
        self.reading = Reading::On(feed_events, reader);
    }

    fn is_holding(&self) -> bool {
        !matches!(*self.health.borrow(), Health::Serving)
    }

    pub(super) async fn on_feed(&mut self, event: Option<FeedEvent>) -> Result<(), End> {
        let now = self.context.clock.now();
        match event {
            Some(FeedEvent::Batch {
                records,
                position,
                reached_end,
                recovery,
            }) => {
                self.recovery = recovery;
                self.note_reading(
                    records.last().map(|(record, _)| &**record),
                    &position,
                    reached_end,
                    now,
                );
                self.admit(records, position, now).await
            }
            Some(FeedEvent::Interrupted(message)) => {
                self.status.reopened();
                if !self.is_holding() {
                    self.status
                        .set_phase(SubscriptionPhase::Starting, Some(message), now);
                }
                Ok(())
            }
            Some(FeedEvent::HistoryLost) => {
                self.reading = Reading::Lost;
                self.status
                    .set_phase(SubscriptionPhase::Halted, Some("history_lost".to_owned()), now);
                Ok(())
            }
            None => Err(End::Reload("the reading task died".to_owned())),
        }
    }

    fn note_reading(&self, last: Option<&Record>, position: &Position, reached_end: bool, now: WallTime) {
        let read_at = last.map_or_else(|| position.time().wall_time(), Record::timestamp);
        let phase = if reached_end || now.since(read_at) < CATCHING_UP_AFTER {
            SubscriptionPhase::Streaming
        } else {
            SubscriptionPhase::CatchingUp
        };
        if !self.is_holding() {
            self.status.set_phase(phase, None, now);
        }
        self.status
            .set_progress(Some(reached_end), Some(read_at), self.oldest_open());
    }

    async fn admit(
        &mut self,
        records: Vec<(Arc<Record>, Needs)>,
        position: Position,
        now: WallTime,
    ) -> Result<(), End> {
        self.tracker.begin_batch(position.stream());
        let mut work = Vec::with_capacity(records.len());
        for (record, needs) in records {
            if !self.settled.is_empty() && self.settled.remove(record.sequence()) {
                self.tracker.push(&record, Arrival::Settled);
                continue;
            }
            match needs {
                Needs::Delivery => {
                    let index = self.tracker.push(&record, Arrival::Unsettled);
                    self.came_to_lanes(record.key());
                    work.push((index, record));
                }
                Needs::NothingFiltered => {
                    self.tracker.push(&record, Arrival::Settled);
                    self.observe(&record, SettledAs::Filtered, None, now, None);
                }
                Needs::NothingProcessed => {
                    self.tracker.push(&record, Arrival::SettledBefore);
                }
            }
        }
        self.tracker.end_batch(position);
        if work.is_empty() {
            return Ok(());
        }
        let work = self.in_hand.lanes(work);
        let submitted = self.dispatcher.submit(work).await;
        submitted.map_err(|closed| End::Reload(closed.to_string()))
    }
}
