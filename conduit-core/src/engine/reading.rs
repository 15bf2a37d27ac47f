//! How a subscription reads: attached to the stream, or keeping its position only.

use std::sync::Arc;
use std::time::Duration;

use super::feed::{Feed, FeedEvent, Needs};
use super::phase::SubscriptionPhase;
use super::subscription::{End, Subscription};
use super::tracker::Arrival;
use super::vitals::Awaited;
use crate::contract::SettledAs;
use crate::delivery::Health;
use crate::value::{Position, Record, WallTime};

/// A stream that is behind by more than this is catching up.
const CATCHING_UP_AFTER: Duration = Duration::from_secs(10);

/// Whether records are read.
#[derive(Debug)]
pub(super) enum Reading {
    /// They are.
    On(Feed),
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
            Self::On(feed) => feed.next().await,
            Self::Leaving | Self::Off | Self::Lost => std::future::pending().await,
        }
    }

    /// What comes next of the source, if anything is read.
    pub(super) fn awaited(&self) -> Option<Awaited> {
        match self {
            Self::On(feed) if feed.is_attached() => Some(Awaited::Change),
            Self::On(_) => Some(Awaited::Turn),
            Self::Leaving | Self::Off | Self::Lost => None,
        }
    }

    /// Stops reading for good.
    pub(super) fn stop(&mut self) {
        *self = Self::Leaving;
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
        if matches!(health, Health::Held(_)) && matches!(self.reading, Reading::On(_)) {
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
        let position = self.tracker.position().clone();
        let intake = self.context.hub.join(self.target.clone(), position);
        self.reading = Reading::On(Feed::new(
            self.id.clone(),
            intake,
            &self.context,
            self.filter.clone(),
            self.recovery,
        ));
    }

    fn is_holding(&self) -> bool {
        !matches!(*self.health.borrow(), Health::Serving)
    }

    pub(super) async fn on_feed(&mut self, event: Option<FeedEvent>) -> Result<(), End> {
        self.vitals.came(Awaited::Change);
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
                tracing::error!(
                    collection = %self.id.collection, destination = %self.id.destination, position = ?self.tracker.position(),
                    "the source no longer has the history after the position: halted; rewind to go on"
                );
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
        self.ask_who_follows();
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
                    self.observe(&record, (SettledAs::Filtered, 0), None, now, None);
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
