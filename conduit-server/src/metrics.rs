//! Prometheus metrics.

use conduit_core::{
    CollectionStatus, Observer, QueueLengths, SettledAs, Settlement, SubscriptionId, SubscriptionPhase,
    WallTime,
};
use prometheus::{
    Encoder, Error, Gauge, GaugeVec, Histogram, HistogramOpts, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

/// What is counted as it happens; what is a state is read when asked.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    records: IntCounterVec,
    delivery: Histogram,
    end_to_end: Histogram,
}

const LABELS: [&str; 2] = ["collection", "destination"];
const BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

impl Metrics {
    /// Registers everything.
    ///
    /// # Errors
    /// If two metrics had the same name.
    pub(crate) fn new() -> Result<Self, Error> {
        let registry = Registry::new();
        let records = IntCounterVec::new(
            Opts::new("conduit_records_total", "Records by what became of them."),
            &["collection", "destination", "outcome"],
        )?;
        let histogram = |name: &str, help: &str| {
            Histogram::with_opts(HistogramOpts::new(name, help).buckets(BUCKETS.to_vec()))
        };
        let delivery = histogram(
            "conduit_delivery_duration_seconds",
            "How long destinations took to answer.",
        )?;
        let end_to_end = histogram(
            "conduit_end_to_end_seconds",
            "From a change to its acknowledgement.",
        )?;
        registry.register(Box::new(records.clone()))?;
        registry.register(Box::new(delivery.clone()))?;
        registry.register(Box::new(end_to_end.clone()))?;
        Ok(Self {
            registry,
            records,
            delivery,
            end_to_end,
        })
    }

    /// Returns the text of all metrics: what was counted here, the state of `collections`, and the queues of destinations
    /// that are `idle`.
    ///
    /// # Errors
    /// If the text cannot be written; a bug.
    pub(crate) fn render(
        &self,
        collections: &[CollectionStatus],
        idle: &[(SubscriptionId, QueueLengths)],
        open_streams: usize,
    ) -> Result<String, Error> {
        let states = Registry::new();
        register_states(&states, collections, idle, open_streams)?;
        let mut families = self.registry.gather();
        families.extend(states.gather());
        let mut text = Vec::new();
        TextEncoder::new().encode(&families, &mut text)?;
        String::from_utf8(text).map_err(|error| Error::Msg(error.to_string()))
    }
}

impl Observer for Metrics {
    fn settled(&self, settlement: &Settlement<'_>) {
        let id = settlement.subscription;
        let labels = [
            id.collection.as_str(),
            id.destination.as_str(),
            settlement.settled.as_str(),
        ];
        self.records.with_label_values(&labels).inc();
        if let Some(took) = settlement.took {
            self.delivery.observe(took.as_secs_f64());
        }
        if settlement.settled == SettledAs::Delivered {
            let age = settlement.at.since(settlement.record.timestamp());
            self.end_to_end.observe(age.as_secs_f64());
        }
    }
}

fn register_states(
    registry: &Registry,
    collections: &[CollectionStatus],
    idle: &[(SubscriptionId, QueueLengths)],
    open_streams: usize,
) -> Result<(), Error> {
    let lengths = |name: &str, help: &str| IntGaugeVec::new(Opts::new(name, help), &LABELS);
    let times = |name: &str, help: &str| GaugeVec::new(Opts::new(name, help), &LABELS);
    let active = IntGauge::new("conduit_watchers_active", "Destinations that are streaming.")?;
    let streams = Gauge::new("conduit_change_streams_open", "Change streams open on MongoDB.")?;
    let retry = lengths("conduit_retry_queue_length", "Records that wait for a retry.")?;
    let dead = lengths("conduit_dlq_length", "Dead letters.")?;
    let lag = times(
        "conduit_lag_seconds",
        "Age of the oldest change that is not settled.",
    )?;
    let error = times(
        "conduit_last_error_timestamp_seconds",
        "When a delivery last failed, in seconds since the epoch.",
    )?;
    let held = times(
        "conduit_hold_since_timestamp_seconds",
        "Since when a destination that fails as a whole is held, in seconds since the epoch; 0 while it is not.",
    )?;
    registry.register(Box::new(active.clone()))?;
    registry.register(Box::new(streams.clone()))?;
    registry.register(Box::new(retry.clone()))?;
    registry.register(Box::new(dead.clone()))?;
    registry.register(Box::new(lag.clone()))?;
    registry.register(Box::new(error.clone()))?;
    registry.register(Box::new(held.clone()))?;
    // A handful of streams; no gauge loses precision.
    #[allow(clippy::cast_precision_loss)]
    streams.set(open_streams as f64);
    let show_lengths = |labels: &[&str], waiting: u64, dead_letters: u64| {
        let shown = |length| i64::try_from(length).unwrap_or(i64::MAX);
        retry.with_label_values(labels).set(shown(waiting));
        dead.with_label_values(labels).set(shown(dead_letters));
    };
    for (id, lengths) in idle {
        let labels = [id.collection.as_str(), id.destination.as_str()];
        show_lengths(&labels, lengths.waiting, lengths.dead);
    }
    for collection in collections {
        for status in &collection.destinations {
            let labels = [collection.collection.as_str(), status.id.as_str()];
            if status.phase == SubscriptionPhase::Streaming {
                active.inc();
            }
            show_lengths(&labels, status.retry_length, status.dlq_length);
            if let Some(seconds) = status.lag_seconds {
                lag.with_label_values(&labels).set(seconds);
            }
            if let Some(at) = status.last_error_time {
                error.with_label_values(&labels).set(seconds(at));
            }
            let since = match status.phase {
                SubscriptionPhase::Holding => seconds(status.since),
                _ => 0.0,
            };
            held.with_label_values(&labels).set(since);
        }
    }
    Ok(())
}

/// Seconds since the epoch, to the millisecond.
#[allow(clippy::cast_precision_loss)]
fn seconds(at: WallTime) -> f64 {
    at.as_millis() as f64 / 1000.0
}
