//! Runs subscriptions: reads, dispatches, settles, retries, commits, and keeps leases.

mod backoff;
mod board;
mod collection;
mod command;
mod committer;
mod committing;
mod conduit;
mod context;
mod dead_count;
mod draft;
mod feed;
mod handle;
mod in_hand;
mod lease_keeper;
mod letter_work;
mod reading;
mod retry_queue;
mod retrying;
mod settings;
mod settling;
mod share;
mod spec;
mod status;
mod stop;
mod subscription;
mod supervisor;
mod tenure;
mod tracker;
mod worker_identity;

pub use board::CollectionStatus;
pub use command::{CommandError, CommandErrorKind, Redriven};
pub use conduit::{Builder, Conduit, EngineDied, InvalidSetup};
pub use handle::Handle;
pub use settings::Settings;
pub use spec::{CollectionSpec, Filter, SubscriptionSpec, TypeFilter};
pub use status::{SubscriptionPhase, SubscriptionStatus};
