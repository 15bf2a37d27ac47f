//! The records that were given to the dispatcher, and what comes back of them.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use super::draft::Attempts;
use crate::contract::{RetryId, Route, Settled, Settlements, Work};
use crate::value::{Record, RecordKey};

/// A waiting record that was taken out to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Retry {
    pub(crate) id: RetryId,
    pub(crate) attempts: Attempts,
    pub(crate) record: Arc<Record>,
}

/// What became of a record in hand.
#[derive(Debug)]
pub(crate) enum Progress {
    /// A record on the lanes settled; the index is the tracker's.
    Lane {
        index: u64,
        record: Arc<Record>,
        settled: Settled,
    },
    /// A waiting record settled; it may be the last of its key.
    Retry {
        retry: Retry,
        settled: Settled,
        ends_chain: bool,
    },
}

#[derive(Debug)]
enum Held {
    Lane { index: u64, record: Arc<Record> },
    Retry(Retry),
}

/// Spreads tickets, which are numbers in a row.
#[derive(Debug, Default)]
struct TicketBits(u64);

impl Hasher for TicketBits {
    fn write(&mut self, bytes: &[u8]) {
        // Not of a ticket: it is one number.
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // Odd, and near to the golden ratio of 2^64: neighbours come to lie far apart.
        self.0 = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Everything in hand, in one order: outcomes come back in the order in which they came to be, whatever work they are of.
#[derive(Debug, Default)]
pub(crate) struct InHand {
    settlements: Settlements,
    records: HashMap<u64, Held, BuildHasherDefault<TicketBits>>,
    /// How many waiting records of each key have no outcome yet.
    chains: HashMap<RecordKey, usize>,
    on_lanes: usize,
}

impl InHand {
    /// Makes work of records for the lanes, each with its index in the tracker.
    pub(crate) fn lanes(&mut self, records: Vec<(u64, Arc<Record>)>) -> Work {
        self.on_lanes += records.len();
        let receipts = records.into_iter().map(|(index, record)| {
            let (ticket, receipt) = self.settlements.receipt();
            self.records.insert(
                ticket,
                Held::Lane {
                    index,
                    record: Arc::clone(&record),
                },
            );
            (record, receipt)
        });
        Work {
            records: receipts.collect(),
            route: Route::Lanes,
        }
    }

    /// Makes work of waiting records.
    pub(crate) fn chain(&mut self, route: Route, retries: Vec<Retry>) -> Work {
        let receipts = retries.into_iter().map(|retry| {
            let (ticket, receipt) = self.settlements.receipt();
            let record = Arc::clone(&retry.record);
            *self.chains.entry(record.key()).or_insert(0) += 1;
            self.records.insert(ticket, Held::Retry(retry));
            (record, receipt)
        });
        Work {
            records: receipts.collect(),
            route,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether the lanes have records that are not settled.
    pub(crate) fn is_on_lanes(&self) -> bool {
        self.on_lanes > 0
    }

    /// Returns how many records of each of these keys the lanes have.
    pub(crate) fn on_lanes(&self, keys: &HashSet<RecordKey>) -> HashMap<RecordKey, usize> {
        let mut counts = HashMap::new();
        for held in self.records.values() {
            if let Held::Lane { record, .. } = held
                && keys.contains(&record.key())
            {
                *counts.entry(record.key()).or_insert(0) += 1;
            }
        }
        counts
    }

    /// Waits for the next outcome. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Progress {
        loop {
            let settled = self.settlements.next().await;
            if let Some(progress) = self.progress(settled) {
                return progress;
            }
        }
    }

    /// Returns the next outcome if there is one.
    pub(crate) fn try_next(&mut self) -> Option<Progress> {
        let settled = self.settlements.try_next()?;
        self.progress(settled)
    }

    fn progress(&mut self, settled: Settled) -> Option<Progress> {
        Some(match self.records.remove(&settled.ticket)? {
            Held::Lane { index, record } => {
                self.on_lanes -= 1;
                Progress::Lane {
                    index,
                    record,
                    settled,
                }
            }
            Held::Retry(retry) => {
                let key = retry.record.key();
                let left = self.chains.get_mut(&key).map_or(0, |left| {
                    *left -= 1;
                    *left
                });
                if left == 0 {
                    self.chains.remove(&key);
                }
                Progress::Retry {
                    retry,
                    settled,
                    ends_chain: left == 0,
                }
            }
        })
    }
}
