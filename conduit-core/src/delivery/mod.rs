//! Carries records to sinks: lanes by key, parked keys, the retry policy, throttling.

mod call;
mod endpoint;
mod endpoints;
mod gate;
mod key_table;
mod lane_queue;
mod lanes;
mod pass;
mod retry_policy;
mod round;
mod server;
mod service;
mod sleep;
mod window;

pub(crate) use endpoint::Endpoint;
pub(crate) use endpoints::Endpoints;
pub(crate) use gate::{Gate, LeaseGuard};
pub(crate) use key_table::KeyTable;
pub use lanes::Lanes;
pub(crate) use pass::Health;
pub use retry_policy::RetryPolicy;
pub use service::{ServiceSink, SinkService};
pub(crate) use sleep::sleep_until;
