//! What the receiver's thread and its handle share.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::{Answer, Received};

/// Decides what becomes of a request.
pub(super) type Behaviour = Arc<dyn Fn(&Received) -> Answer + Send + Sync>;

/// Everything received so far, and what to answer next.
pub(super) struct Log {
    received: Mutex<Arrivals>,
    behaviour: Mutex<Behaviour>,
    /// How many requests are in the log; whoever waits listens here.
    pub(super) count: watch::Sender<usize>,
    /// How many connections are open.
    pub(super) open: watch::Sender<usize>,
    /// Grows when the connections are to be closed.
    pub(super) closing: watch::Sender<u64>,
}

/// The requests, and the events among them that were acknowledged.
#[derive(Default)]
pub(super) struct Arrivals {
    pub(super) requests: Vec<Arc<Received>>,
    pub(super) acknowledged_events: HashSet<String>,
}

impl Log {
    pub(super) fn new() -> Self {
        Self {
            received: Mutex::default(),
            behaviour: Mutex::new(Arc::new(|_| Answer::Status(200))),
            count: watch::Sender::new(0),
            open: watch::Sender::new(0),
            closing: watch::Sender::new(0),
        }
    }

    pub(super) fn set_behaviour(&self, behaviour: Behaviour) {
        *unpoisoned(&self.behaviour) = behaviour;
    }

    /// Records a request and returns its answer. Called by the receiver's one thread only, so that a number is given
    /// once though the behaviour runs outside the lock.
    pub(super) fn admit(&self, mut received: Received) -> Answer {
        received.number = self.arrivals().requests.len();
        let behaviour = unpoisoned(&self.behaviour).clone();
        let answer = behaviour(&received);
        received.status = answer.status();
        let count = {
            let mut arrivals = self.arrivals();
            if let (true, Some(id)) = (received.is_acknowledged(), received.header("webhook-id")) {
                arrivals.acknowledged_events.insert(id.to_owned());
            }
            arrivals.requests.push(Arc::new(received));
            arrivals.requests.len()
        };
        self.count.send_replace(count);
        answer
    }

    pub(super) fn arrivals(&self) -> MutexGuard<'_, Arrivals> {
        unpoisoned(&self.received)
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("count", &*self.count.borrow())
            .finish_non_exhaustive()
    }
}

/// A panic elsewhere in a test leaves the data whole.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
