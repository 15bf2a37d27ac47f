//! State in Redis.

mod commit;
mod config_changes;
mod dead_letters;
mod error;
mod forget;
mod keys;
mod link;
mod open;
mod reply;
mod script;
mod server;
mod settings;
mod status;
mod store;

pub use config_changes::{ConfigChange, ConfigChanges};
pub use settings::RedisSettings;
pub use status::WorkerStatus;
pub use store::RedisStore;
