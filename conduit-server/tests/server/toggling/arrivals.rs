//! What came to the destinations.

use std::sync::{Arc, Mutex};

use conduit_testkit::receiver::{Answer, Received, Receiver};
use serde::Deserialize;
use tokio::time::Instant;

/// One record in a request.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) at: Instant,
    /// The path that it was sent to, which names collection and destination.
    pub(super) path: String,
    pub(super) record: Delivered,
}

/// What is looked at of a record.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Delivered {
    pub(super) table_name: String,
    pub(super) record_type: String,
    pub(super) keys: serde_json::Value,
    pub(super) sequence_number: String,
    pub(super) new_image: Option<Image>,
    pub(super) old_image: Option<Image>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Image {
    pub(super) counter: i64,
}

/// Everything that came, in the order in which it did.
#[derive(Clone, Debug, Default)]
pub(super) struct Inbox {
    arrivals: Arc<Mutex<Vec<Arrival>>>,
}

impl Inbox {
    /// Notes what comes to a receiver from now on.
    pub(super) fn of(receiver: &Receiver) -> Self {
        let inbox = Self::default();
        let noting = inbox.clone();
        receiver.answer_with(move |request| {
            noting.note(request);
            Answer::Status(204)
        });
        inbox
    }

    fn note(&self, request: &Received) {
        let body = request.body();
        let records: Vec<Delivered> = if body.first() == Some(&b'[') {
            serde_json::from_slice(body).unwrap()
        } else {
            vec![serde_json::from_slice(body).unwrap()]
        };
        let arrivals = records.into_iter().map(|record| Arrival {
            at: request.at(),
            path: request.target(),
            record,
        });
        self.arrivals.lock().unwrap().extend(arrivals);
    }

    /// Returns what came since it was last asked.
    pub(super) fn take(&self) -> Vec<Arrival> {
        std::mem::take(&mut self.arrivals.lock().unwrap())
    }
}
