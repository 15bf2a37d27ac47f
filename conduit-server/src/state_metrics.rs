//! Metrics that are states: made of what is known when somebody asks.

use conduit_core::{CollectionStatus, SubscriptionPhase, SubscriptionStatus, WallTime};
use conduit_mongo::OplogWindow;
use prometheus::{Error, Gauge, GaugeVec, IntGauge, IntGaugeVec, Opts, Registry};

use crate::api::IdleDestination;
use crate::history::left;

const LABELS: [&str; 2] = ["collection", "destination"];
const STATE_LABELS: [&str; 3] = ["collection", "destination", "state"];

/// How everything is that a process can tell of.
#[derive(Debug)]
pub(crate) struct States<'a> {
    /// What workers run.
    pub(crate) collections: &'a [CollectionStatus],
    /// What is configured and not run.
    pub(crate) idle: &'a [IdleDestination],
    pub(crate) open_streams: usize,
    pub(crate) oplog: Option<OplogWindow>,
}

/// The gauges of one destination each.
struct Gauges {
    retry: IntGaugeVec,
    dead: IntGaugeVec,
    lag: GaugeVec,
    error: GaugeVec,
    held: GaugeVec,
    state: IntGaugeVec,
    history: GaugeVec,
    stuck: IntGaugeVec,
}

impl States<'_> {
    /// Registers gauges that say it.
    ///
    /// # Errors
    /// If two metrics had the same name.
    pub(crate) fn register(&self, registry: &Registry) -> Result<(), Error> {
        let active = IntGauge::new("conduit_watchers_active", "Destinations that are streaming.")?;
        let streams = Gauge::new("conduit_change_streams_open", "Change streams open on MongoDB.")?;
        registry.register(Box::new(active.clone()))?;
        registry.register(Box::new(streams.clone()))?;
        // A handful of streams; no gauge loses precision.
        #[allow(clippy::cast_precision_loss)]
        streams.set(self.open_streams as f64);
        if let Some(oplog) = self.oplog {
            let window = Gauge::new(
                "conduit_oplog_window_seconds",
                "How much time MongoDB's oplog holds, or will once it is full, at the rate of the changes in it.",
            )?;
            registry.register(Box::new(window.clone()))?;
            window.set(oplog.length().as_secs_f64());
        }
        let gauges = Gauges::registered(registry)?;
        for idle in self.idle {
            let labels = [idle.id.collection.as_str(), idle.id.destination.as_str()];
            gauges.set_lengths(&labels, idle.lengths.waiting, idle.lengths.dead);
            gauges.set_state(&labels, idle.state);
        }
        for collection in self.collections {
            for status in &collection.destinations {
                if status.phase == SubscriptionPhase::Streaming {
                    active.inc();
                }
                let labels = [collection.collection.as_str(), status.id.as_str()];
                gauges.set(&labels, status, self.oplog);
            }
        }
        Ok(())
    }
}

impl Gauges {
    fn registered(registry: &Registry) -> Result<Self, Error> {
        let counts = |name: &str, help: &str, labels: &[&str]| {
            let gauge = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<IntGaugeVec, Error>(gauge)
        };
        let times = |name: &str, help: &str| {
            let gauge = GaugeVec::new(Opts::new(name, help), &LABELS)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<GaugeVec, Error>(gauge)
        };
        Ok(Self {
            retry: counts(
                "conduit_retry_queue_length",
                "Records that wait for a retry.",
                &LABELS,
            )?,
            dead: counts("conduit_dlq_length", "Dead letters.", &LABELS)?,
            lag: times(
                "conduit_lag_seconds",
                "Age of the oldest change that is not settled.",
            )?,
            error: times(
                "conduit_last_error_timestamp_seconds",
                "When a delivery last failed, in seconds since the epoch.",
            )?,
            held: times(
                "conduit_hold_since_timestamp_seconds",
                "Since when a destination that fails as a whole is held, in seconds since the epoch; 0 while it is not.",
            )?,
            state: counts(
                "conduit_destination_state",
                "The state of a destination: 1 for the one that it is in, no other is shown.",
                &STATE_LABELS,
            )?,
            history: times(
                "conduit_history_seconds_left",
                "How long until MongoDB has overwritten what the destination has to read next, if nothing moves; 0 once it has.",
            )?,
            stuck: counts(
                "conduit_stuck",
                "Whether input waits and nothing moves, though nothing is held, paused or halted: 1 if so.",
                &LABELS,
            )?,
        })
    }

    fn set(&self, labels: &[&str; 2], status: &SubscriptionStatus, oplog: Option<OplogWindow>) {
        self.set_lengths(labels, status.retry_length, status.dlq_length);
        self.set_state(labels, status.phase.as_str());
        self.stuck
            .with_label_values(labels)
            .set(i64::from(status.stuck.is_some()));
        if let Some(left) = left(status, oplog) {
            self.history.with_label_values(labels).set(left.as_secs_f64());
        }
        // Who waits for the lease knows what was, when it last had it.
        let is_known = status.phase != SubscriptionPhase::WaitingForLease;
        if let Some(seconds) = status.lag_seconds.filter(|_| is_known) {
            self.lag.with_label_values(labels).set(seconds);
        }
        if let Some(at) = status.last_error_time {
            self.error.with_label_values(labels).set(seconds(at));
        }
        let since = match status.phase {
            SubscriptionPhase::Holding => seconds(status.since),
            _ => 0.0,
        };
        self.held.with_label_values(labels).set(since);
    }

    fn set_lengths(&self, labels: &[&str; 2], waiting: u64, dead_letters: u64) {
        let shown = |length| i64::try_from(length).unwrap_or(i64::MAX);
        self.retry.with_label_values(labels).set(shown(waiting));
        self.dead.with_label_values(labels).set(shown(dead_letters));
    }

    fn set_state(&self, [collection, destination]: &[&str; 2], state: &str) {
        self.state
            .with_label_values(&[collection, destination, state])
            .set(1);
    }
}

/// Seconds since the epoch, to the millisecond.
#[allow(clippy::cast_precision_loss)]
fn seconds(at: WallTime) -> f64 {
    at.as_millis() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use conduit_core::{CollectionName, DestinationId, QueueLengths, SubscriptionId};
    use prometheus::{Encoder, TextEncoder};
    use serde_json::json;

    use super::*;

    /// The samples of one destination that an oplog from second 0 to second 1,000 and these words make.
    fn samples(phase: &str, stuck: Option<&str>) -> Vec<String> {
        let status = json!([{"collection": "orders", "holder": "us", "destinations": [{
            "id": "d", "phase": phase, "reason": null, "since": 5_000, "lag_seconds": 7.0, "position_time": 900_000,
            "low_water_mark": null, "generation": 0, "delivered": 0, "filtered": 0, "retried": 0, "dead_lettered": 0,
            "retry_length": 2, "dlq_length": 1, "rate": 0.0, "last_error": null, "last_error_time": null, "stuck": stuck,
        }]}]);
        let collections: Vec<CollectionStatus> = serde_json::from_value(status).unwrap();
        let idle = IdleDestination {
            id: SubscriptionId {
                collection: CollectionName::new("off").unwrap(),
                destination: DestinationId::new("d").unwrap(),
            },
            state: "disabled",
            lengths: QueueLengths::default(),
        };
        let at = |seconds: i64| WallTime::from_millis(seconds * 1000);
        let states = States {
            collections: &collections,
            idle: &[idle],
            open_streams: 1,
            oplog: Some(OplogWindow::new(at(0), at(1000), None)),
        };
        let registry = Registry::new();
        states.register(&registry).unwrap();
        let mut text = Vec::new();
        TextEncoder::new().encode(&registry.gather(), &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        samples.map(str::to_owned).collect()
    }

    fn has(samples: &[String], sample: &str) -> bool {
        samples.iter().any(|known| known == sample)
    }

    #[test]
    fn a_destination_shows_its_state_its_history_and_whether_it_is_stuck() {
        let shown = samples("catching_up", Some("the source: silence"));
        for sample in [
            "conduit_watchers_active 0",
            "conduit_oplog_window_seconds 1000",
            "conduit_destination_state{collection=\"off\",destination=\"d\",state=\"disabled\"} 1",
            "conduit_destination_state{collection=\"orders\",destination=\"d\",state=\"catching_up\"} 1",
            "conduit_history_seconds_left{collection=\"orders\",destination=\"d\"} 900",
            "conduit_lag_seconds{collection=\"orders\",destination=\"d\"} 7",
            "conduit_stuck{collection=\"orders\",destination=\"d\"} 1",
        ] {
            assert!(has(&shown, sample), "{sample} is missing in {shown:#?}");
        }
        let states = shown
            .iter()
            .filter(|line| line.starts_with("conduit_destination_state"));
        assert_eq!(states.count(), 2);
        let well = samples("streaming", None);
        assert!(has(
            &well,
            "conduit_stuck{collection=\"orders\",destination=\"d\"} 0"
        ));
        assert!(has(&well, "conduit_watchers_active 1"));
    }

    #[test]
    fn who_waits_for_the_lease_does_not_tell_what_it_knew_when_it_had_it() {
        let waiting = samples("waiting_for_lease", None);
        let told = |name: &str| waiting.iter().any(|line| line.starts_with(name));
        assert!(
            !told("conduit_lag_seconds") && !told("conduit_history_seconds_left"),
            "{waiting:#?}"
        );
        assert!(told("conduit_destination_state{collection=\"orders\""));
    }
}
