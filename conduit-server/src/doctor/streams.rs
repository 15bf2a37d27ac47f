//! How the streams do, by what workers say and what waits in the state store.

use std::time::Duration;

use conduit_core::{
    ClusterTime, CollectionStatus, QueueLengths, SubscriptionId, SubscriptionPhase, SubscriptionStatus,
    WorkerId,
};

use super::check::Check;
use super::finding::Finding;
use super::history::Known;
use super::patience::shown;
use crate::catalog::{Destination, Entry};

/// A stream that has come less far is behind, and may lose what it has not read.
const BEHIND: Duration = Duration::from_secs(120);

/// What is known of the streams.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// What each live worker says; `None` if it cannot be asked for.
    pub(super) statuses: Option<Vec<(WorkerId, CollectionStatus)>>,
    /// How many workers there are.
    pub(super) workers: usize,
    /// What waits and what is dead, of the subscriptions asked for.
    pub(super) lengths: Vec<(SubscriptionId, QueueLengths)>,
}

/// Every destination of every collection.
pub(super) fn subscriptions(entries: &[Entry]) -> Vec<SubscriptionId> {
    let of = |entry: &Entry| {
        let config = entry.config.clone();
        let each = config
            .destinations
            .iter()
            .map(|destination| config.subscription(destination));
        each.collect::<Vec<_>>()
    };
    entries
        .iter()
        .filter(|entry| entry.deleting.is_none())
        .flat_map(of)
        .collect()
}

impl Streams {
    /// Judges the workers, every stream that is on, and the dead letters.
    pub(super) fn examine(&self, entries: &[Entry], known: &Known) -> Vec<Check> {
        let mut checks = vec![Check::new("workers", self.workers(entries))];
        for entry in entries.iter().filter(|entry| entry.is_active()) {
            for destination in &entry.config.destinations {
                let name = format!("stream {}", entry.config.subscription(destination));
                checks.push(Check::new(name, self.stream(entry, destination, known)));
            }
        }
        checks.push(Check::new("dead letters", self.dead_letters()));
        checks
    }

    fn workers(&self, entries: &[Entry]) -> Finding {
        let is_needed = entries.iter().any(Entry::is_active);
        match (self.statuses.is_some(), self.workers) {
            (false, _) => Finding::skipped("what workers say is in the state store, which cannot be asked"),
            (true, 0) if is_needed => Finding::warning(
                "no worker is running: changes wait in the oplog",
                "Start one with the same environment: conduit-server worker, or conduit-server run for API and worker together.",
            ),
            (true, 0) => Finding::ok("no worker is running, and no stream is on"),
            (true, 1) => Finding::ok("one worker is running"),
            (true, count) => Finding::ok(format!("{count} workers are running")),
        }
    }

    fn stream(&self, entry: &Entry, destination: &Destination, known: &Known) -> Finding {
        let name = &entry.config.collection_name;
        let status = self.status(entry, destination);
        if let Some(status) = status {
            let reason = status.reason.as_deref().unwrap_or("for no reason that it told");
            match status.phase {
                SubscriptionPhase::Halted => return halted(name.as_str(), destination, reason),
                SubscriptionPhase::Holding => {
                    return Finding::failed(
                        format!("it holds, since its destination fails as a whole: {reason}"),
                        "Mend the destination as the line `destination` of it says; then everything follows by itself, in order.",
                    );
                }
                _ => {}
            }
        }
        if let Some(finding) = history(position(entry, destination, status), known) {
            return finding;
        }
        if entry.is_paused(&destination.id) {
            return Finding::ok(format!("paused by an operator; conduit resume {name} goes on"));
        }
        match status {
            Some(status) => match status.lag_seconds {
                Some(lag) => Finding::ok(format!("it runs, {lag:.0} s behind")),
                None => Finding::ok("it runs"),
            },
            None if self.statuses.is_some() => Finding::skipped("no worker speaks of it"),
            None => Finding::skipped("what workers say cannot be asked"),
        }
    }

    /// What the worker says that holds the collection, or else any other.
    fn status(&self, entry: &Entry, destination: &Destination) -> Option<&SubscriptionStatus> {
        let all = self.statuses.as_deref().unwrap_or_default();
        let ours = || {
            all.iter()
                .filter(|(_, status)| status.collection == entry.config.collection_name)
        };
        let holder = ours().find(|(worker, status)| status.holder.as_ref() == Some(worker));
        let (_, status) = holder.or_else(|| ours().next())?;
        status
            .destinations
            .iter()
            .find(|status| status.id == destination.id)
    }

    fn dead_letters(&self) -> Finding {
        let dead: Vec<(&SubscriptionId, u64)> = self
            .lengths
            .iter()
            .filter(|(_, lengths)| lengths.dead > 0)
            .map(|(id, lengths)| (id, lengths.dead))
            .collect();
        let Some((first, _)) = dead.first() else {
            return match self.statuses {
                Some(_) => Finding::ok("there are none"),
                None => Finding::skipped("they are in the state store, which cannot be asked"),
            };
        };
        let each: Vec<String> = dead
            .iter()
            .map(|(id, count)| format!("{count} of {id}"))
            .collect();
        let name = &first.collection;
        Finding::warning(
            format!("records were given up: {}", each.join(", ")),
            format!(
                "See why: conduit dlq list {name}. Then send them again with conduit dlq redrive {name}, or drop them with \
                 conduit dlq purge {name}."
            ),
        )
    }
}

fn halted(collection: &str, destination: &Destination, reason: &str) -> Finding {
    let id = &destination.id;
    let rewind = |to: &str| {
        format!(
            "curl -X POST \"$CONDUIT_URL/api/collections/{collection}/rewind\" -H \"Authorization: Bearer $CONDUIT_API_TOKEN\" -H \
             'Content-Type: application/json' -d '{{\"to\": \"{to}\", \"destination\": \"{id}\"}}'"
        )
    };
    let cure = if reason.contains("history_lost") {
        format!(
            "What it missed is not in the oplog any more: load it from the collection by other means, then go on from now: {}",
            rewind("now")
        )
    } else if reason.contains("cannot be used here") {
        "Correct the destination's configuration, or the server's environment, as the reason says.".to_owned()
    } else {
        format!(
            "Remove the reason; if the state is lost for good, begin where it is known to have been: {}",
            rewind("<RFC 3339>")
        )
    };
    Finding::failed(format!("it is halted: {reason}"), cure)
}

/// A time up to which everything is surely delivered or given up.
fn position(
    entry: &Entry,
    destination: &Destination,
    status: Option<&SubscriptionStatus>,
) -> Option<ClusterTime> {
    let told = status.and_then(|status| status.low_water_mark);
    let noted = entry.mark_of(&destination.id).map(|mark| mark.time);
    let start = entry.start_of(&destination.id);
    told.into_iter().chain(noted).chain(start).max()
}

/// Says that history is lost, or will be soon; nothing if neither.
fn history(position: Option<ClusterTime>, known: &Known) -> Option<Finding> {
    let (position, history) = (position?, known.history?);
    if history.is_full() == Some(false) && position >= history.oldest {
        return images(position, known);
    }
    let behind = Duration::from_secs(u64::from(history.newest.t.saturating_sub(position.t)));
    if behind < BEHIND {
        return None;
    }
    let left = Duration::from_secs(u64::from(position.t.saturating_sub(history.oldest.t)));
    let cure = "Have its destination take records faster or again, and meanwhile keep more history: mongosh --eval \
                'db.adminCommand({replSetResizeOplog: 1, minRetentionHours: 72})' on each member.";
    if position < history.oldest {
        return Some(Finding::failed(
            format!(
                "it is {} behind, and what it needs next is not in the oplog any more",
                shown(behind)
            ),
            "Load what is missing from the collection by other means, then rewind it to now: conduit status names it.",
        ));
    }
    if left < history.window() / 4 {
        return Some(Finding::warning(
            format!(
                "it is {} behind and loses history in about {}",
                shown(behind),
                shown(left)
            ),
            cure,
        ));
    }
    images(position, known)
}

fn images(position: ClusterTime, known: &Known) -> Option<Finding> {
    let (expiry, history) = (known.image_expiry?, known.history?);
    let behind = Duration::from_secs(u64::from(history.newest.t.saturating_sub(position.t)));
    (behind > expiry).then(|| {
        Finding::warning(
            format!("it is {} behind, and stored images go after {}", shown(behind), shown(expiry)),
            "Run: mongosh \"$MONGODB_URI\" --eval 'db.adminCommand({setClusterParameter: {changeStreamOptions: {preAndPostImages: \
             {expireAfterSeconds: \"off\"}}}})'",
        )
    })
}

#[cfg(test)]
mod tests {
    use conduit_mongo::History;

    use super::*;
    use crate::doctor::Verdict;

    fn known() -> Known {
        Known {
            history: Some(History {
                oldest: ClusterTime::new(10_000, 0),
                newest: ClusterTime::new(50_000, 0),
                bytes: Some(100),
                max_bytes: Some(100),
                retention: None,
            }),
            image_expiry: None,
        }
    }

    fn verdict(t: u32) -> Option<Verdict> {
        history(Some(ClusterTime::new(t, 0)), &known()).map(|finding| finding.verdict)
    }

    #[test]
    fn history_is_said_to_be_lost_before_it_is_and_when_it_is() {
        assert_eq!(verdict(49_950), None);
        assert_eq!(verdict(30_000), None);
        assert_eq!(verdict(15_000), Some(Verdict::Warning));
        assert_eq!(verdict(9_000), Some(Verdict::Failed));
    }

    #[test]
    fn images_that_are_gone_before_they_are_read_are_said() {
        let known = Known {
            image_expiry: Some(Duration::from_secs(3_600)),
            ..known()
        };
        let found = history(Some(ClusterTime::new(40_000, 0)), &known);
        assert_eq!(found.map(|finding| finding.verdict), Some(Verdict::Warning));
    }
}
