//! Carries records to sinks: lanes by key, parked keys, the retry policy, throttling.

mod gate;
mod key_table;
mod lanes;
mod retry_policy;
mod service;

pub(crate) use gate::{Gate, LeaseGuard};
pub(crate) use key_table::KeyTable;
pub use lanes::Lanes;
pub use retry_policy::RetryPolicy;
pub use service::{ServiceSink, SinkService};
