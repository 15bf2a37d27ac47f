//! State in memory.

mod collection;
mod dead_letters;
mod store;

pub use store::MemoryStore;
