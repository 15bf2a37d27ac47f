//! Writes low-water marks down beside the configuration, where a loss of the state store does not reach them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use conduit_core::{ClusterTime, CollectionStatus, SubscriptionId, WorkerId};
use tokio::time::Instant;

use super::Worker;
use crate::catalog::{CatalogError, Entry, Mark, MarkUpdate};

/// How often marks are written.
const INTERVAL: Duration = Duration::from_secs(60);
/// How often it is looked whether a stream has a first mark.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What is known of the streams' marks.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    known: Mutex<BTreeMap<SubscriptionId, Known>>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    start: ClusterTime,
    written: Option<Mark>,
}

impl Marks {
    fn known(&self) -> MutexGuard<'_, BTreeMap<SubscriptionId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what the configuration says.
    pub(super) fn learn(&self, entries: &[Entry]) {
        let mut known = BTreeMap::new();
        for entry in entries.iter().filter(|entry| entry.is_active()) {
            for destination in &entry.config.destinations {
                let Some(start) = entry.start_of(&destination.id) else {
                    continue;
                };
                let written = entry.mark_of(&destination.id);
                known.insert(entry.config.subscription(destination), Known { start, written });
            }
        }
        *self.known() = known;
    }

    /// Returns what is to be written of the streams that `us` holds: all that moved if `all`, else only first marks.
    fn due(&self, us: &WorkerId, statuses: &[CollectionStatus], all: bool) -> Vec<MarkUpdate> {
        let known = self.known();
        let mut due = Vec::new();
        for status in statuses
            .iter()
            .filter(|status| status.holder.as_ref() == Some(us))
        {
            for destination in &status.destinations {
                let id = SubscriptionId {
                    collection: status.collection.clone(),
                    destination: destination.id.clone(),
                };
                let (Some(time), Some(known)) = (destination.low_water_mark, known.get(&id)) else {
                    continue;
                };
                let mark = Mark {
                    generation: destination.generation,
                    time,
                };
                let is_wanted = match known.written {
                    None => true,
                    Some(written) => all && mark > written,
                };
                // Before its start a stream only stands after a rewind; else the status is of an earlier one of that id.
                if is_wanted && (time >= known.start || mark.generation > 0) {
                    due.push(MarkUpdate {
                        collection: id.collection,
                        destination: id.destination,
                        start: known.start,
                        mark,
                    });
                }
            }
        }
        due
    }
}

impl Worker {
    /// Writes the marks of all streams that this worker holds once a minute, and first ones at once. Never ends.
    pub(crate) async fn keep_marks(&self) {
        let mut last = Instant::now();
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            let all = last.elapsed() >= INTERVAL;
            let due = self.marks.due(self.handle.worker(), &self.handle.status(), all);
            if due.is_empty() {
                continue;
            }
            match self.write_marks(due).await {
                Ok(()) => {
                    if all {
                        last = Instant::now();
                    }
                    // So that what runs knows them too.
                    self.bulletin.tell_change_here();
                }
                Err(error) => tracing::debug!(%error, "low-water marks are not written"),
            }
        }
    }

    async fn write_marks(&self, due: Vec<MarkUpdate>) -> Result<(), CatalogError> {
        let catalog = self.catalog.clone();
        // In a task of its own, so that the driver's future runs to its end whatever happens to this one.
        let writing = tokio::spawn(async move { catalog.write_marks(&due).await });
        writing.await.unwrap_or(Err(CatalogError::Changed))
    }
}

#[cfg(test)]
mod tests {
    use conduit_core::{CollectionName, DestinationId};
    use serde_json::json;

    use super::*;

    const START: ClusterTime = ClusterTime::new(100, 1);

    fn mark(generation: u64, t: u32) -> Mark {
        let time = ClusterTime::new(t, 1);
        Mark { generation, time }
    }

    /// What is due of one stream, held by the worker of this name, whose status says `said` while `written` is stored.
    fn due(holder: &str, said: Option<Mark>, written: Option<Mark>, all: bool) -> Vec<Mark> {
        let id = SubscriptionId {
            collection: CollectionName::new("orders").unwrap(),
            destination: DestinationId::new("d").unwrap(),
        };
        let marks = Marks::default();
        let start = START;
        marks.known().insert(id, Known { start, written });
        let status = json!([{"collection": "orders", "holder": holder, "destinations": [{
            "id": "d", "phase": "streaming", "reason": null, "since": 0, "lag_seconds": null, "position_time": null,
            "low_water_mark": said.map(|mark| mark.time), "generation": said.map_or(0, |mark| mark.generation),
            "delivered": 0, "filtered": 0, "retried": 0, "dead_lettered": 0, "retry_length": 0, "dlq_length": 0,
            "rate": 0.0, "last_error": null, "last_error_time": null,
        }]}]);
        let status: Vec<CollectionStatus> = serde_json::from_value(status).unwrap();
        let due = marks.due(&WorkerId::new("us"), &status, all);
        due.into_iter().map(|due| due.mark).collect()
    }

    #[test]
    fn a_first_mark_is_due_at_once_and_later_ones_with_the_others() {
        let (first, later) = (mark(0, 100), mark(0, 160));
        assert_eq!(due("us", Some(first), None, false), [first]);
        assert_eq!(due("us", Some(later), Some(first), false), []);
        assert_eq!(due("us", Some(later), Some(first), true), [later]);
        assert_eq!(due("us", Some(later), Some(later), true), []);
        assert_eq!(due("us", None, None, true), []);
    }

    #[test]
    fn only_the_holder_writes_and_never_back_but_by_a_newer_generation() {
        assert_eq!(due("another", Some(mark(0, 160)), None, true), []);
        assert_eq!(due("us", Some(mark(0, 120)), Some(mark(0, 160)), true), []);
        assert_eq!(due("us", Some(mark(0, 200)), Some(mark(1, 50)), true), []);
        assert_eq!(
            due("us", Some(mark(1, 50)), Some(mark(0, 160)), true),
            [mark(1, 50)]
        );
    }

    #[test]
    fn what_was_said_of_an_earlier_stream_of_the_id_is_no_mark() {
        assert_eq!(due("us", Some(mark(0, 99)), None, true), []);
    }
}
