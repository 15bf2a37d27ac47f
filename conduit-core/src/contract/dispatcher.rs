//! Decides where and in what order records go, and accounts for every one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::SinkError;
use crate::value::Record;

/// How records of a piece of work travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    /// Each in the lane of its key, behind everything accepted before.
    Lanes,
    /// Beside the lanes: waiting records of parked keys, those of a key in order. The first that fails ends its
    /// key; the rest of it comes back as not attempted.
    Chain,
    /// One waiting record, which is sent though its destination fails as a whole, when it is time to ask again.
    Probe,
}

/// Records to deliver, in the order of their changes, each with the receipt that its outcome is written on.
#[derive(Debug)]
pub struct Work {
    /// The records.
    pub records: Vec<(Arc<Record>, Receipt)>,
    /// How they travel.
    pub route: Route,
}

/// What became of a record.
#[derive(Debug)]
pub enum Outcome {
    /// The destination has it.
    Delivered {
        /// Whether its key was poisoned until now.
        cured: bool,
    },
    /// It failed and is to be tried again; on the lanes its key is parked from now on.
    Failed {
        /// Why.
        error: SinkError,
        /// Whether it counts as an attempt of the record: not while the destination fails as a whole.
        is_attempt: bool,
    },
    /// It failed for good; its key is poisoned from now on.
    Dead(SinkError),
    /// An older record of its key waits: it has to wait behind it.
    Behind,
    /// It was called back before it was sent.
    Recalled,
    /// It was not tried, or it is not known whether it was: never counts as delivered.
    Unattempted,
}

/// One record's outcome.
#[derive(Debug)]
pub struct Settled {
    /// The ticket of the record's receipt.
    pub ticket: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// How long the destination took to answer, if it was asked.
    pub took: Option<Duration>,
}

/// A record's claim to exactly one outcome.
///
/// Fails closed: a receipt that is dropped, because a lane died or a drain ran out of time, is settled as
/// [`Outcome::Unattempted`].
#[derive(Debug)]
pub struct Receipt {
    ticket: u64,
    settlements: Option<mpsc::UnboundedSender<Settled>>,
}

impl Receipt {
    /// Settles the record. Nobody listening is no error: the engine was dropped.
    pub fn settle(mut self, outcome: Outcome, took: Option<Duration>) {
        self.send(outcome, took);
    }

    fn send(&mut self, outcome: Outcome, took: Option<Duration>) {
        if let Some(settlements) = self.settlements.take() {
            let _ = settlements.send(Settled {
                ticket: self.ticket,
                outcome,
                took,
            });
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        self.send(Outcome::Unattempted, None);
    }
}

/// The outcomes of everything submitted to one dispatcher, in the order in which they came to be.
///
/// One stream for all work, not one for each piece: a record that fails and the one of its key that has to wait behind it
/// may belong to different pieces, and must be seen in this order. It holds at most one outcome for each receipt that is
/// out.
#[derive(Debug)]
pub struct Settlements {
    sender: mpsc::UnboundedSender<Settled>,
    receiver: mpsc::UnboundedReceiver<Settled>,
    next_ticket: u64,
}

impl Default for Settlements {
    fn default() -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self {
            sender,
            receiver,
            next_ticket: 0,
        }
    }
}

impl Settlements {
    /// Makes a receipt, and tells its ticket.
    pub fn receipt(&mut self) -> (u64, Receipt) {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        (
            ticket,
            Receipt {
                ticket,
                settlements: Some(self.sender.clone()),
            },
        )
    }

    /// Waits for the next outcome; for ever if no receipt is out. Cancel-safe.
    pub async fn next(&mut self) -> Settled {
        match self.receiver.recv().await {
            Some(settled) => settled,
            // A sender is held here, so the channel does not close.
            None => std::future::pending().await,
        }
    }

    /// Returns the next outcome if there is one.
    pub fn try_next(&mut self) -> Option<Settled> {
        self.receiver.try_recv().ok()
    }
}

/// The dispatcher takes no more work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the dispatcher takes no more work")
    }
}

impl std::error::Error for Closed {}

/// Carries records to a sink. Holds no durable state.
///
/// Accepting and settling are two steps: with two pieces of work in flight, a single call would fix their order at
/// the first poll, which the caller does not control. Outcomes of one key are settled in the order in which they come to
/// be: the engine relies on it to let nothing overtake a record that has to wait.
#[async_trait]
pub trait Dispatcher: fmt::Debug + Send + Sync + 'static {
    /// Accepts work; waits while there is no room (back-pressure). Once it returns, this work is ordered after all
    /// work accepted before. Cancel-safe: all of the work is accepted or none, and what is not accepted settles as
    /// [`Outcome::Unattempted`].
    ///
    /// # Errors
    /// [`Closed`] after a drain began.
    async fn submit(&self, work: Work) -> Result<(), Closed>;

    /// Calls back everything accepted before that is not being sent: it settles as [`Outcome::Recalled`], calls in hand as
    /// they end.
    fn recall(&self);

    /// Stops: calls in hand may finish until `deadline`, everything else settles as [`Outcome::Unattempted`]. Returns
    /// when every receipt is settled. Cancel-safe; called again, the nearer deadline counts.
    async fn drain(&self, deadline: Instant);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_receipt_that_is_dropped_is_settled_as_not_attempted_and_one_that_is_settled_only_once() {
        let mut settlements = Settlements::default();
        let (first, dropped) = settlements.receipt();
        let (second, settled) = settlements.receipt();
        settled.settle(Outcome::Delivered { cured: false }, None);
        drop(dropped);
        let outcomes = [settlements.next().await, settlements.next().await];
        assert!(matches!(outcomes[0].outcome, Outcome::Delivered { .. }) && outcomes[0].ticket == second);
        assert!(matches!(outcomes[1].outcome, Outcome::Unattempted) && outcomes[1].ticket == first);
        assert!(settlements.try_next().is_none());
    }
}
