//! State in Redis.

mod announcements;
mod commands;
mod commit;
mod dead_letters;
mod error;
mod forget;
mod keys;
mod link;
mod listener;
mod open;
mod reply;
mod report;
mod script;
mod server;
mod settings;
mod status;
mod store;
mod tails;

pub use announcements::{Announcement, Announcements};
pub use commands::{ClaimedCommand, CommandFor};
pub use report::{AppendOnly, RedisReport};
pub use settings::RedisSettings;
pub use status::WorkerStatus;
pub use store::RedisStore;
pub use tails::{Tail, TailAnnouncements, TailNews, TailSubscription};
