//! Everything that is compared, and the wait until nothing more is to come.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::account::{Account, Subject};
use super::arrivals::{Arrival, Inbox};
use super::history::Writes;
use super::toggled::{Toggled, path};
use super::writer::Notes;
use crate::harness::Api;

/// How long everything may take to come.
const PATIENCE: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(500);

/// Everything that was written, asked for and delivered.
pub(super) struct Ledger {
    notes: HashMap<String, Notes>,
    writes: HashMap<String, Writes>,
    collections: Vec<Toggled>,
    arrivals: HashMap<String, Vec<Arrival>>,
}

impl Ledger {
    /// What was written up to now is to be settled wherever a stream is on.
    pub(super) fn new(
        notes: HashMap<String, Notes>,
        writes: HashMap<String, Writes>,
        mut collections: Vec<Toggled>,
    ) -> Self {
        let now = Instant::now();
        let timelines = collections.iter_mut().flat_map(|one| one.timelines.values_mut());
        for timeline in timelines.filter(|timeline| timeline.wants().is_some()) {
            timeline.settled(now);
        }
        Self {
            notes,
            writes,
            collections,
            arrivals: HashMap::new(),
        }
    }

    /// Waits until nothing that has to come is missing, and nothing is under way.
    pub(super) async fn settle(&mut self, api: &Api, inbox: &Inbox) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let is_calm = is_calm(&api.get("/api/status").await);
            self.take(inbox);
            let missing: usize = self.accounts().iter().map(|account| account.lost.len()).sum();
            if is_calm && missing == 0 {
                return;
            }
            if Instant::now() > deadline {
                // What did not come is for the account to say.
                println!("not settled: {missing} missing, calm: {is_calm}");
                return;
            }
            sleep(POLL).await;
        }
    }

    /// Takes in what has come.
    pub(super) fn take(&mut self, inbox: &Inbox) {
        for arrival in inbox.take() {
            self.arrivals
                .entry(arrival.path.clone())
                .or_default()
                .push(arrival);
        }
    }

    /// What became of the writes, by destination.
    pub(super) fn accounts(&self) -> Vec<Account> {
        let mut accounts = Vec::new();
        let (no_notes, no_writes) = (Notes::new(), Writes::new());
        for Toggled { shape, timelines, .. } in &self.collections {
            let subject = Subject {
                shape,
                notes: self.notes.get(&shape.name).unwrap_or(&no_notes),
                writes: self.writes.get(&shape.name).unwrap_or(&no_writes),
            };
            for (id, timeline) in timelines {
                let path = path(&shape.name, id);
                let arrivals = self.arrivals.get(&path).map_or(&[][..], Vec::as_slice);
                let arrivals: Vec<&Arrival> = arrivals.iter().collect();
                accounts.push(Account::of(&path, &subject, timeline, &arrivals));
            }
        }
        accounts
    }

    /// What was asked of the collections that were changed, for people.
    pub(super) fn timelines(&self) -> String {
        let toggled = self.collections.iter().filter(|one| one.shape.is_toggled);
        toggled
            .map(|one| format!("{} {:#?}\n", one.shape.name, one.timelines))
            .collect()
    }
}

/// Whether every stream that is on has read and settled everything.
fn is_calm(status: &Value) -> bool {
    let on = status
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["stream_enabled"] == true);
    let mut destinations = on.flat_map(|one| one["destinations"].as_array().unwrap());
    destinations.all(|one| one["state"] == "streaming" && one["lag_seconds"].as_f64() == Some(0.0))
}
