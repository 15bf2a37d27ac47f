//! Change streams: opened by a watcher, read by a task of their own, decoded where their records are wanted.

mod change;
mod cursor;
mod demand;
mod error;
mod event;
mod find;
mod found;
mod listing;
mod look_up;
mod missing_image;
mod mongo_watcher;
mod name_match;
mod open_gauge;
mod portion;
mod reader;
mod reply;
mod settings;
mod shape;
mod source;
mod start;
mod stream;
mod token;
mod traffic;
mod transcoder;

pub use mongo_watcher::MongoWatcher;
pub use settings::StreamSettings;
