//! Prometheus metrics.

use conduit_core::{Observer, SettledAs, Settlement};
use prometheus::{Encoder, Error, Histogram, HistogramOpts, IntCounterVec, Opts, Registry, TextEncoder};

use crate::state_metrics::States;

/// What is counted as it happens; what is a state is read when asked.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    records: IntCounterVec,
    delivery: Histogram,
    end_to_end: Histogram,
}

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

    /// Returns the text of all metrics: what was counted here, and how everything is.
    ///
    /// # Errors
    /// If the text cannot be written; a bug.
    pub(crate) fn render(&self, states: &States<'_>) -> Result<String, Error> {
        let registry = Registry::new();
        states.register(&registry)?;
        let mut families = self.registry.gather();
        families.extend(registry.gather());
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
