//! What an engine can be told to do differently.

use std::time::Duration;

use crate::contract::BatchLimits;

/// How long a read waits for a first record.
const READ_WAIT: Duration = Duration::from_secs(1);

/// Times and bounds of an engine. The defaults suit a server with a few hundred subscriptions.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How long a lease lasts without renewal; it is renewed three times as often. Default 10 s.
    pub lease_time: Duration,
    /// How long calls in hand may take to finish when the engine stops. Default 30 s.
    pub shutdown_timeout: Duration,
    /// Most bytes of records that all subscriptions have in hand together: those that have any share it evenly, though each
    /// may have 64 KiB in any case. What is read while it is used up comes on top, a few reads at most. Default 256 MiB.
    pub max_bytes: usize,
    /// Most unsettled records of a subscription in memory. Default 4,096.
    pub max_in_flight_records: usize,
    /// Most bytes of unsettled records of a subscription in memory, but for a single larger one. Default 16 MiB.
    pub max_in_flight_bytes: usize,
    /// Most records of one read of a stream. No further read is handed to a subscription for which so many wait already.
    /// Default 1,000.
    pub max_read_records: usize,
    /// Most bytes of one read of a stream, but for a single larger record. No further read is handed to a subscription for
    /// which so many wait already. Default 4 MiB.
    pub max_read_bytes: usize,
    /// Most bytes of waiting records that a subscription has loaded to send them again, but for one record of each call.
    /// Default 16 MiB.
    pub max_retry_bytes: usize,
    /// Most records read but behind the position, settled or not: a bound of the gap list. Default 20,000.
    pub max_ahead: usize,
    /// Most waiting records of a subscription; beyond it the subscription stops reading. Default 100,000.
    pub max_waiting_records: usize,
    /// Most bytes of waiting records of a subscription. Default 256 MiB.
    pub max_waiting_bytes: usize,
    /// Most dead letters of a collection; beyond it its subscriptions neither read nor retry. Default 1,000,000.
    pub max_dead_letters: u64,
    /// Least time between two commits of the engine. Default 75 ms.
    pub commit_interval: Duration,
    /// How often an idle subscription's position is committed. Default 10 s.
    pub idle_commit_interval: Duration,
    /// How long nothing may move of a subscription whose input waits before it counts as stuck; a delivery has the time of
    /// a call besides. Default 60 s.
    pub stuck_after: Duration,
    /// Seed of the jitter of retries. Default: made of the worker's identity.
    pub seed: Option<u64>,
}

impl Settings {
    /// How much is read at a time.
    pub(super) fn read_limits(&self) -> BatchLimits {
        BatchLimits {
            max_records: self.max_read_records,
            max_bytes: self.max_read_bytes,
            max_wait: READ_WAIT,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lease_time: Duration::from_secs(10),
            shutdown_timeout: Duration::from_secs(30),
            max_bytes: 256 * 1024 * 1024,
            max_in_flight_records: 4096,
            max_in_flight_bytes: 16 * 1024 * 1024,
            max_read_records: 1000,
            max_read_bytes: 4 * 1024 * 1024,
            max_retry_bytes: 16 * 1024 * 1024,
            max_ahead: 20_000,
            max_waiting_records: 100_000,
            max_waiting_bytes: 256 * 1024 * 1024,
            max_dead_letters: 1_000_000,
            commit_interval: Duration::from_millis(75),
            idle_commit_interval: Duration::from_secs(10),
            stuck_after: Duration::from_secs(60),
            seed: None,
        }
    }
}
