//! Decides where and in what order records go, and accounts for every one.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::Stream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::SinkError;
use crate::value::Record;

/// How records of a piece of work travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    /// Each in the lane of its key, behind everything accepted before.
    Lanes,
    /// One after the other, beside the lanes: waiting records of one parked key. The first that fails ends it; the
    /// rest come back as not attempted.
    Chain,
}

/// Records to deliver, in the order of their changes.
#[derive(Debug)]
pub struct Work {
    /// The records.
    pub records: Vec<Arc<Record>>,
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
    Failed(SinkError),
    /// It failed for good; its key is poisoned from now on.
    Dead(SinkError),
    /// An older record of its key waits: it has to wait behind it.
    Behind,
    /// It was not tried, or it is not known whether it was: never counts as delivered.
    Unattempted,
}

/// One record's outcome.
#[derive(Debug)]
pub struct Settled {
    /// The record's index in its work.
    pub index: usize,
    /// What became of it.
    pub outcome: Outcome,
    /// How long the destination took to answer, if it was asked.
    pub took: Option<Duration>,
}

/// The outcomes of a piece of work, one for each record, as they come.
///
/// Fails closed: if the dispatcher goes away, whatever has no outcome yet comes back as [`Outcome::Unattempted`].
#[derive(Debug)]
pub struct Pending {
    outcomes: mpsc::UnboundedReceiver<Settled>,
    open: Vec<bool>,
    left: usize,
}

/// Where a dispatcher reports the outcomes of one piece of work.
#[derive(Clone, Debug)]
pub struct Reply(mpsc::UnboundedSender<Settled>);

impl Reply {
    /// Reports an outcome. Nobody listening is no error: the engine was dropped.
    pub fn send(&self, settled: Settled) {
        let _ = self.0.send(settled);
    }
}

impl Pending {
    /// Makes the two ends for a work of `records` records. The channel holds at most one message a record.
    #[must_use]
    pub fn new(records: usize) -> (Reply, Self) {
        let (sender, outcomes) = mpsc::unbounded_channel();
        (
            Reply(sender),
            Self {
                outcomes,
                open: vec![true; records],
                left: records,
            },
        )
    }
}

impl Stream for Pending {
    type Item = Settled;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Settled>> {
        loop {
            if self.left == 0 {
                return Poll::Ready(None);
            }
            let settled = match self.outcomes.poll_recv(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(settled)) => settled,
                Poll::Ready(None) => {
                    let index = self.open.iter().position(|open| *open).unwrap_or(0);
                    Settled {
                        index,
                        outcome: Outcome::Unattempted,
                        took: None,
                    }
                }
            };
            // A second outcome for the same record would be a dispatcher's bug; the first stands.
            let was_open = self
                .open
                .get_mut(settled.index)
                .map(|open| std::mem::replace(open, false));
            if was_open == Some(true) {
                self.left -= 1;
                return Poll::Ready(Some(settled));
            }
        }
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
/// the first poll, which the caller does not control.
#[async_trait]
pub trait Dispatcher: fmt::Debug + Send + Sync + 'static {
    /// Accepts work; waits while there is no room (back-pressure). Once it returns, this work is ordered after all
    /// work accepted before. Cancel-safe: all of the work is accepted or none.
    ///
    /// # Errors
    /// [`Closed`] after a drain began.
    async fn submit(&self, work: Work) -> Result<Pending, Closed>;

    /// Stops: calls in hand may finish until `deadline`, everything else settles as [`Outcome::Unattempted`]. Returns
    /// when every piece of work has all its outcomes.
    async fn drain(&self, deadline: Instant);
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    #[tokio::test]
    async fn work_of_a_dispatcher_that_died_comes_back_as_not_attempted() {
        let (reply, pending) = Pending::new(3);
        reply.send(Settled {
            index: 1,
            outcome: Outcome::Delivered { cured: false },
            took: None,
        });
        reply.send(Settled {
            index: 1,
            outcome: Outcome::Delivered { cured: false },
            took: None,
        });
        drop(reply);
        let outcomes: Vec<Settled> = pending.collect().await;
        let shown: Vec<(usize, bool)> = outcomes
            .iter()
            .map(|settled| {
                (
                    settled.index,
                    matches!(settled.outcome, Outcome::Delivered { .. }),
                )
            })
            .collect();
        assert_eq!(shown, [(1, true), (0, false), (2, false)]);
    }
}
