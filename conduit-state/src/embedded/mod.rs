//! State in one file of this machine.

mod error;
mod file;
mod letters;
mod processed;
mod queue;
mod settings;
mod store;
mod subscription;
mod tables;

pub use settings::EmbeddedSettings;
pub use store::EmbeddedStore;
