//! What the rounds of a figure found.

use crate::suite::Work;

/// The rate and the processor time of each round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples {
    /// Records a second.
    pub(crate) rates: Vec<f64>,
    /// Microseconds of processor time a record.
    pub(crate) cpu: Vec<f64>,
}

impl Samples {
    /// Adds a round of so many records; returns its rate.
    pub(crate) fn add(&mut self, work: Work, records: u64) -> f64 {
        let rate = work.rate(records);
        self.rates.push(rate);
        self.cpu.push(work.cpu_micros(records));
        rate
    }
}
