//! Runs subscriptions: reads, dispatches, settles, retries, commits, and keeps leases.

mod backoff;
mod board;
mod collection;
mod committer;
mod conduit;
mod context;
mod draft;
mod feed;
mod in_hand;
mod lease_keeper;
mod retry_queue;
mod settings;
mod settling;
mod spec;
mod status;
mod stop;
mod subscription;
mod tenure;
mod tracker;
mod worker_identity;

pub use board::CollectionStatus;
pub use conduit::{Builder, Conduit, EngineDied, Handle, InvalidSetup};
pub use settings::Settings;
pub use spec::{CollectionSpec, Filter, SubscriptionSpec, TypeFilter};
pub use status::{SubscriptionPhase, SubscriptionStatus};
